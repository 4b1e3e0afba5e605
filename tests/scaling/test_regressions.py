"""Cases in which other autoscalers went wrong: each must be decided rightly here."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.offer import FailureCause, OfferKey, OfferMemory
from herder.model.fleet.pool import Consolidation, Headroom
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Plan, ReasonKind
from tests.planning.world import (
    NOW,
    applied,
    cores,
    creations,
    drains,
    idle,
    observed,
    pool,
    queued,
    template,
    worker,
    worlds,
)
from tests.support.pools import changed


def checked(seen: Observed, now: int = NOW) -> Plan:
    plan = decide(seen, now)
    assert check_plan(seen, plan) == ()
    return plan


def test_scattered_room_does_not_hide_that_nothing_fits() -> None:
    """Hail Batch: 20 workers with 8 of 16 cores free and ten 16-core jobs gave no worker at all, for ever."""
    std = pool("std", template(size=16), max_workers=40, new_workers_per_cycle=40)
    workers = [worker(n, std, free=cores(8), live_attempts=1) for n in range(20)]
    assert len(creations(checked(observed([std], workers, [queued(1, 10, cores(16))])))) == 10


def test_many_free_cores_do_not_stop_growth() -> None:
    """Hail Batch: a pool with 500 free cores never grew for demand."""
    std = pool("std", template(size=16), max_workers=100, new_workers_per_cycle=40)
    workers = [worker(n, std, free=cores(15), live_attempts=1) for n in range(40)]
    assert len(creations(checked(observed([std], workers, [queued(1, 3, cores(16))])))) == 3


@pytest.mark.parametrize("spare", [{}, {"headroom": Headroom(workers=3)}, {"target_utilisation": 0.5}])
def test_a_pool_of_size_zero_makes_nothing_and_names_its_maximum(spare: dict[str, object]) -> None:
    none = pool("std", max_workers=0, **spare)
    plan = checked(observed([none], [], [queued(1, 5)]))
    assert plan.empty
    assert plan.unplaced[0].reason.kind is ReasonKind.AT_MAXIMUM
    assert "flips" in dict(plan.unplaced[0].reason.evidence)


def test_demand_goes_on_from_a_pool_of_size_zero_to_the_next() -> None:
    none, other = pool("a", max_workers=0), pool("b")
    plan = checked(observed([none, other], [], [queued(1, 5)]))
    assert [action.spec.pool for action in creations(plan)] == ["b"]


def test_a_pool_that_is_at_zero_grows_from_zero() -> None:
    assert len(creations(checked(observed([pool(min_workers=0)], [], [queued(1, 1)])))) == 1


def test_limits_of_one() -> None:
    one = pool(
        max_workers=1,
        max_live_workers=1,
        new_workers_per_cycle=1,
        headroom=Headroom(workers=1),
        target_utilisation=0.1,
        scale_down_fraction=0.2,
        consolidation=Consolidation.BREAK_EVEN,
        disruption_budget=1,
    )
    plan = checked(observed([one], [], [queued(1, 100)]))
    assert len(creations(plan)) == 1
    assert plan.unplaced[0].reason.kind in (
        ReasonKind.AT_MAXIMUM,
        ReasonKind.AT_LIVE_MAXIMUM,
        ReasonKind.PER_CYCLE_LIMIT,
    )
    full = [worker(1, one, free=cores(0), live_attempts=16)]
    assert checked(observed([one], full, [queued(1, 100)])).empty
    leaving = [worker(1, one, state=WorkerState.DRAINING)]
    assert checked(observed([one], leaving, [queued(1, 100)])).empty
    assert (
        len(
            drains(
                checked(
                    observed(
                        [replace(one, scale_up=replace(one.scale_up, headroom=Headroom()))], [idle(1, one)]
                    )
                )
            )
        )
        == 1
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_small_pools_shrink_too(count: int) -> None:
    """20 % of fewer than five is less than one worker; Karpenter's share breaker never moves in such pools."""
    small = pool(scale_down_fraction=0.2)
    workers, now = [idle(n, small) for n in range(count)], NOW
    seen = observed([small], workers)
    for _ in range(count):
        plan = checked(seen, now)
        assert len(drains(plan)) == 1
        gone = drains(plan)[0].worker
        seen = applied(seen, plan, now)
        seen = replace(seen, workers=tuple(each for each in seen.workers if each.name != gone))
        assert checked(seen, now + 1000).empty
        now += 1_800_000
    assert not seen.workers


def test_what_is_coming_is_counted_once_by_headroom_target_and_queue_together() -> None:
    std = pool(headroom=Headroom(workers=1), target_utilisation=0.9, min_workers=1)
    seen = observed([std], [], [queued(1, 16)])
    now = NOW
    for _ in range(5):
        plan = checked(seen, now)
        seen, now = applied(seen, plan, now), now + 1000
    assert len(seen.workers) == 2


@given(worlds(), st.integers(0, 4))
def test_more_room_never_leaves_more_jobs_without_a_place(seen: Observed, more: int) -> None:
    """Limits are monotone: raising the most that a pool may hold never hurts the queue."""
    seen = replace(seen, windows=(), offers=())
    wider = replace(
        seen,
        pools=tuple(
            changed(
                each,
                max_workers=each.size.max_workers + more,
                max_live_workers=None,
                new_workers_per_cycle=100,
            )
            for each in seen.pools
        ),
    )
    # One pool at a time: of several, a larger one may serve a class that had left its place to another.
    if len(seen.pools) == 1:
        assert sum(d.count for d in decide(wider, NOW).unplaced) <= sum(
            d.count for d in decide(seen, NOW).unplaced
        )


@given(worlds())
def test_every_limit_and_every_refusal_says_what_would_change_it(seen: Observed) -> None:
    says = {
        ReasonKind.AT_MAXIMUM, ReasonKind.AT_LIVE_MAXIMUM, ReasonKind.PER_CYCLE_LIMIT, ReasonKind.COOLDOWN,
        ReasonKind.OFFER_RESTING, ReasonKind.QUOTA_EXCEEDED, ReasonKind.GRADUAL_LIMIT, ReasonKind.DISRUPTION_BUDGET,
        ReasonKind.NOT_WORTH_MOVING, ReasonKind.SCHEDULED, ReasonKind.BELOW_MINIMUM,
    }  # fmt: skip
    plan = decide(seen, NOW)
    reasons = [reason for report in plan.pools for reason in report.reasons]
    reasons += [demand.reason for demand in plan.unplaced]
    for reason in reasons:
        if reason.kind in says and not reason.text.endswith("workers go"):
            assert "flips" in dict(reason.evidence), reason


def test_a_worker_that_leaves_with_this_plan_is_no_trial_of_its_offer() -> None:
    """Found by the search for plans that need another plan."""
    std = pool(min_workers=1)
    memory = OfferMemory(key=OfferKey(pool=std.name, template="medium", driver=std.driver)).failed(
        FailureCause.OUT_OF_CAPACITY, NOW - 600_000, requested_at_ms=NOW - 700_000
    )
    expired = worker(1, std, state=WorkerState.REQUESTED, at=NOW - 1000, expires_at_ms=NOW - 1)
    seen = replace(observed([std], [expired]), offers=(memory,))
    plan = checked(seen)
    assert len(creations(plan)) == len(drains(plan)) == 1
    assert decide(applied(seen, plan), NOW).empty


def test_room_under_the_live_maximum_comes_with_the_next_cycle() -> None:
    std = pool(headroom=Headroom(workers=1), max_live_workers=1, max_workers=2)
    seen = observed([std], [idle(1, std, expires_at_ms=NOW - 1)])
    plan = checked(seen)
    assert (len(creations(plan)), len(drains(plan))) == (0, 1)
    after = applied(seen, plan)
    assert decide(after, NOW).empty
    assert len(creations(checked(after, NOW + 1000))) == 1
