"""Templates that failed lately: passed over for the next that fits, tried again with one worker, never for ever."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.offer import HALF_LIFE_MS, FailureCause, OfferKey, OfferMemory
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.observed import Observed
from herder.model.planning.plan import ReasonKind
from tests.planning.world import (
    NOW,
    applied,
    cores,
    creations,
    observed,
    pool,
    queued,
    template,
    worker,
    worlds,
)

CHEAP, DEAR = template("cheap", 16, 480), template("dear", 16, 600)
STD = pool("std", CHEAP, DEAR)


def failed(
    name: str, cause: FailureCause, times: int = 1, *, at: int = NOW, of: PoolSpec = STD
) -> OfferMemory:
    memory = OfferMemory(key=OfferKey(pool=of.name, template=name, driver=of.driver))
    for _ in range(times):
        memory = memory.failed(cause, at, requested_at_ms=at)
    return memory


def world(*memories: OfferMemory, count: int = 1, of: PoolSpec = STD, **more: object) -> Observed:
    return replace(observed([of], [], [queued(1, count, cores(16), **more)]), offers=memories)  # type: ignore[arg-type]


def templates_made(seen: Observed, now: int = NOW) -> list[str]:
    plan = decide(seen, now)
    assert check_plan(seen, plan) == ()
    return [action.spec.template for action in creations(plan)]


def test_a_template_out_of_capacity_is_passed_over_for_the_next_that_fits() -> None:
    assert templates_made(world()) == ["cheap"]
    assert templates_made(world(failed("cheap", FailureCause.OUT_OF_CAPACITY)), NOW + 1) == ["dear"]


def test_after_its_rest_one_worker_is_tried_and_the_others_are_made_elsewhere() -> None:
    memory = failed("cheap", FailureCause.OUT_OF_CAPACITY)
    much = replace(memory, failures=0.1)  # the rate hardly matters here
    assert sorted(templates_made(world(much, count=3), NOW + 15_000)) == ["cheap", "dear", "dear"]


def test_while_one_is_tried_no_other_is() -> None:
    memory = replace(failed("cheap", FailureCause.OUT_OF_CAPACITY), failures=0.1)
    tried = worker(1, STD, made=CHEAP, state=WorkerState.PROVISIONING, at=NOW + 15_000)
    seen = replace(world(memory, count=3), workers=(tried,))
    assert templates_made(seen, NOW + 20_000) == ["dear", "dear"]
    old = replace(tried, spec=replace(tried.spec, name=WorkerName("std-0-9")), requested_at_ms=NOW - 1)
    assert "cheap" in templates_made(replace(seen, workers=(old,)), NOW + 20_000)


def test_a_rest_doubles_up_to_its_longest_and_a_success_ends_it() -> None:
    for times, rest_s in ((1, 15), (2, 30), (5, 240), (8, 1800), (30, 1800)):
        memory = failed("cheap", FailureCause.OUT_OF_CAPACITY, times)
        assert memory.rests_until_ms(15.0, 1800.0) == NOW + rest_s * 1000
    assert failed("cheap", FailureCause.INVALID_REQUEST).rests_until_ms(15.0, 1800.0) == NOW + 600_000
    assert memory.succeeded(NOW).rests_until_ms(15.0, 1800.0) is None


def test_workers_of_one_plan_that_fail_together_are_one_failure_in_a_row() -> None:
    memory = OfferMemory(key=OfferKey(pool=STD.name, template="cheap", driver="local"))
    for late in range(5):
        memory = memory.failed(FailureCause.OUT_OF_CAPACITY, NOW + late, requested_at_ms=NOW - 1000)
    assert memory.failed_in_row == 1
    assert (
        memory.failed(FailureCause.OUT_OF_CAPACITY, NOW + 60_000, requested_at_ms=NOW + 50_000).failed_in_row
        == 2
    )


def test_a_flaky_offer_counts_as_dearer_and_that_fades() -> None:
    flaky = failed("cheap", FailureCause.OUT_OF_CAPACITY, 4).succeeded(NOW)
    assert templates_made(world(flaky)) == ["dear"]
    assert templates_made(world(flaky), NOW + 3 * HALF_LIFE_MS) == ["cheap"]


@pytest.mark.parametrize("cause", [FailureCause.QUOTA_EXCEEDED, FailureCause.UNAUTHORISED])
def test_a_quota_stops_the_whole_pool_until_one_worker_is_tried(cause: FailureCause) -> None:
    seen = world(failed("cheap", cause), count=5)
    plan = decide(seen, NOW + 59_999)
    assert creations(plan) == []
    reason = plan.unplaced[0].reason
    quota = cause is FailureCause.QUOTA_EXCEEDED
    assert reason.kind is (ReasonKind.QUOTA_EXCEEDED if quota else ReasonKind.OFFER_RESTING)
    assert "flips" in dict(reason.evidence)
    assert len(templates_made(seen, NOW + 60_000)) == 1


def test_a_job_that_only_a_resting_template_fits_is_told_so() -> None:
    large, small = template("large", 32, 960), template("small", 4, 120)
    of = pool("std", large, small)
    seen = world(failed("large", FailureCause.OUT_OF_CAPACITY, of=of), of=of)
    plan = decide(seen, NOW + 1)
    assert creations(plan) == []
    assert plan.unplaced[0].reason.kind is ReasonKind.OFFER_RESTING
    assert "Template large" in plan.unplaced[0].reason.text
    assert plan.pools[0].reasons[0].kind is ReasonKind.OFFER_RESTING


def test_the_minimum_takes_the_next_template_too() -> None:
    of = pool("std", CHEAP, DEAR, min_workers=2)
    seen = replace(observed([of]), offers=(failed("cheap", FailureCause.OUT_OF_CAPACITY, of=of),))
    assert templates_made(seen, NOW + 1) == ["dear", "dear"]


def test_a_pool_whose_only_template_rests_waits_and_tries_again_with_one() -> None:
    of = pool("std", CHEAP)
    seen = world(failed("cheap", FailureCause.OUT_OF_CAPACITY, 2, of=of), count=4, of=of)
    assert templates_made(seen, NOW + 29_999) == []
    assert templates_made(seen, NOW + 30_000) == ["cheap"]


@given(worlds(), st.integers(0, 3_600_000))
def test_at_most_one_worker_of_an_offer_that_failed_is_on_trial(seen: Observed, later: int) -> None:
    plan = decide(seen, NOW + later)
    for memory in seen.offers:
        made = [
            action.spec.name
            for action in creations(plan)
            if (action.spec.pool, action.spec.template, action.spec.zone, action.spec.spot)
            == (memory.key.pool, memory.key.template, memory.key.zone, memory.key.spot)
        ]
        of = next(each for each in seen.pools if each.name == memory.key.pool)
        until = memory.rests_until_ms(of.scale_up.offer_backoff_s, of.scale_up.offer_backoff_max_s)
        if until is not None:
            assert len(made) <= (NOW + later >= until)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10 * HALF_LIFE_MS)), max_size=60))
def test_the_success_rate_is_one_of_a_probability_and_returns_to_its_prior(
    ends: list[tuple[bool, int]],
) -> None:
    memory, now = OfferMemory(key=OfferKey(pool=STD.name, template="cheap", driver="local")), NOW
    for good, later in ends:
        now += later
        memory = (
            memory.succeeded(now) if good else memory.failed(FailureCause.OTHER, now, requested_at_ms=now)
        )
        assert 0.0 < memory.success_rate(now) <= 1.0
    assert memory.success_rate(now + 40 * HALF_LIFE_MS) > 0.999


def test_what_was_tried_and_failed_again_and_again_needs_few_tries() -> None:
    """A day without capacity costs one try for each rest, not one for each cycle."""
    of = pool("std", CHEAP)
    memory, tries = OfferMemory(key=OfferKey(pool=of.name, template="cheap", driver=of.driver)), 0
    for second in range(0, 86_400, 15):
        now = NOW + second * 1000
        made = templates_made(world(memory, count=9, of=of), now)
        if made:
            tries += len(made)
            memory = memory.failed(FailureCause.OUT_OF_CAPACITY, now, requested_at_ms=now)
    assert tries < 70


def test_a_plan_on_trial_needs_no_other() -> None:
    seen = world(failed("cheap", FailureCause.OUT_OF_CAPACITY), count=3)
    plan = decide(seen, NOW + 15_000)
    assert decide(applied(seen, plan, NOW + 15_000), NOW + 15_000).empty
