"""Times to live in plans: shortened by the name, idle and expired at once, a grace for what runs, and a budget only where it is named."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.lifetime import lifetime_ms
from herder.model.fleet.upkeep import Disruption, DisruptionBudget
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PlanNumber, WorkerName
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory
from herder.model.planning.plan import Plan, ReasonKind
from tests.planning.world import (
    MINUTE,
    NOW,
    applied,
    cores,
    creations,
    drains,
    idle,
    observed,
    pool,
    queued,
    worker,
)
from tests.support.pools import changed

HOUR_S = 3600.0


def plan_of(spec: object, workers: list[ObservedWorker], queue: int = 0) -> Plan:
    seen = observed([spec], workers, [queued(1, queue)] if queue else [])  # type: ignore[list-item]
    plan = decide(seen, NOW)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan), NOW).empty
    return plan


def gone(plan: Plan) -> list[str]:
    return [drain.worker for drain in drains(plan)]


@given(st.text(min_size=1), st.floats(0, 0.5), st.floats(1, 10**6))
def test_jitter_only_shortens_and_by_at_most_its_part(name: str, jitter: float, ttl_s: float) -> None:
    life = lifetime_ms(ttl_s, jitter, WorkerName(name))
    whole = int(ttl_s * 1000)
    assert whole - int(whole * jitter) <= life <= whole
    assert life == lifetime_ms(ttl_s, jitter, WorkerName(name))


def test_a_hundred_workers_of_one_plan_do_not_end_together() -> None:
    spec = pool(ttl_s=4 * HOUR_S, max_workers=100, new_workers_per_cycle=100, min_workers=100)
    ends = [action.expires_at_ms for action in creations(plan_of(spec, []))]
    assert len(set(ends)) == 100
    latest, least = NOW + 4 * 60 * MINUTE, NOW + int(3.8 * 60) * MINUTE
    assert all(end is not None and least <= end <= latest for end in ends)
    minutes = [sum(end is not None and (end - least) // MINUTE == n for end in ends) for n in range(12)]
    assert max(minutes) <= 20


def test_without_jitter_each_lives_exactly_as_long_as_the_pool_says() -> None:
    spec = pool(ttl_s=HOUR_S, ttl_jitter=0.0, min_workers=2)
    assert {action.expires_at_ms for action in creations(plan_of(spec, []))} == {NOW + 60 * MINUTE}


def test_idle_and_expired_goes_at_once_and_busy_after_the_grace() -> None:
    spec = pool(ttl_grace_s=300.0)
    workers = [
        idle(1, spec, 1, expires_at_ms=NOW),
        worker(2, spec, live_attempts=1, free=cores(15), expires_at_ms=NOW - 5 * MINUTE + 1),
        worker(3, spec, live_attempts=1, free=cores(15), expires_at_ms=NOW - 5 * MINUTE),
    ]
    plan = plan_of(spec, workers)
    assert gone(plan) == ["std-0-1", "std-0-3"]
    (said,) = [
        reason for reason in plan.pools[0].reasons if reason.text.startswith("1 worker of pool std is past")
    ]
    assert said.text == (
        "1 worker of pool std is past its ttl and takes no new work. std-0-2 drains in 1 s (ttl_grace), unless it is extended."
    )


def test_an_expired_worker_in_its_grace_is_no_capacity_and_has_a_successor() -> None:
    spec = pool(min_workers=1, idle_timeout_s=None)
    busy = worker(1, spec, live_attempts=1, free=cores(15), expires_at_ms=NOW - 1)
    plan = plan_of(spec, [busy])
    assert gone(plan) == []
    assert len(creations(plan)) == 1
    assert len(creations(plan_of(pool(), [busy], queue=1))) == 1


def test_a_frozen_pool_keeps_expired_workers_as_they_are() -> None:
    spec = pool(frozen=True)
    busy = worker(1, spec, live_attempts=1, free=cores(15), expires_at_ms=NOW - 1)
    plan = plan_of(spec, [busy], queue=3)
    assert plan.empty


def test_a_budget_bounds_expiry_only_where_it_names_it() -> None:
    late = NOW - 60 * MINUTE

    def plan(budget: object) -> Plan:
        spec = pool(disruption_budget=budget)
        workers = [
            worker(n, spec, live_attempts=1, free=cores(15), expires_at_ms=late + n) for n in (3, 1, 2)
        ]
        return plan_of(spec, workers)

    assert len(drains(plan(0))) == 3
    assert len(drains(plan((DisruptionBudget(workers=0),)))) == 3
    named = (DisruptionBudget(workers=2, reasons=(Disruption.EXPIRED,)),)
    assert gone(plan(named)) == ["std-0-1", "std-0-2"]
    held = [
        reason.text
        for reason in plan((DisruptionBudget(workers=0, reasons=(Disruption.EXPIRED,)),)).pools[0].reasons
    ]
    assert any(
        "std-0-1 waits for the disruption budget of 0 (disruption_budget 0); 0 are being drained." in text
        for text in held
    )


def test_idle_and_expired_is_no_disruption() -> None:
    spec = pool(disruption_budget=(DisruptionBudget(workers=0, reasons=(Disruption.EXPIRED,)),))
    plan = plan_of(spec, [idle(n, spec, 1, expires_at_ms=NOW) for n in range(3)])
    assert [drain.reason.kind for drain in drains(plan)] == [ReasonKind.EXPIRED] * 3


@pytest.mark.parametrize("life", [{"ttl_s": 0.0}, {"ttl_s": 5.0}, {"ttl_soft_s": 0.0}])
@pytest.mark.parametrize("queue", [0, 2])
def test_a_stored_ttl_of_nothing_does_not_make_workers_without_end(
    life: dict[str, float], queue: int
) -> None:
    """Nobody may write it, but a store may hold it: an hour of it costs three workers each five minutes, at most."""
    spec = pool(min_workers=3, max_workers=5, idle_timeout_s=60.0, **life)
    staying: list[ObservedWorker] = []
    grown: int | None = None
    actions = 0
    for second in range(3600):
        now = NOW + second * 1000
        history = {"std": PoolHistory(last_grown_at_ms=grown)}
        seen = observed([spec], staying, [queued(1, queue)] if queue else [], history)
        plan = decide(replace(seen, plan_number=PlanNumber(second + 1)), now)
        left = {drain.worker for drain in drains(plan)}
        staying = [each for each in staying if each.name not in left]
        for create in creations(plan):
            grown = now
            made = worker(
                0, spec, at=now, idle_since_ms=now, ready_at_ms=now, expires_at_ms=create.expires_at_ms
            )
            staying.append(replace(made, spec=create.spec))
        actions += len(plan.actions)
    assert 3 <= actions <= 2 * 3 * 12 + 12
    said = {
        each.text for each in plan.pools[0].reasons if "creates workers at most once in 5 min" in each.text
    }
    assert said
    assert all("Raise ttl" in each for each in said)


def test_the_successor_of_an_expiring_worker_is_ready_when_it_ends() -> None:
    """A boot takes 100 s: 160 s before the end of its ttl a worker of the minimum has a successor, and not before."""
    spec = pool(min_workers=2, max_workers=4, idle_timeout_s=None)
    history = {"std": PoolHistory(boot_s=100.0)}

    def at(left_s: int, **more: object) -> tuple[Observed, Plan]:
        workers = [
            idle(1, spec, 1, expires_at_ms=NOW + left_s * 1000),
            idle(2, spec, 1, expires_at_ms=NOW + 10**8),
        ]
        seen = observed([changed(spec, **more)], workers, [], history)
        plan = decide(seen, NOW)
        assert check_plan(seen, plan) == ()
        return seen, plan

    assert at(161)[1].empty
    seen, plan = at(160)
    (create,) = creations(plan)
    assert create.reason.text == (
        "Pool std will be below its minimum: 1 of 2 workers reaches the end of its ttl within 3 min, and a boot takes about 100 s."
    )
    assert not drains(plan)
    assert decide(applied(seen, plan), NOW).empty, "the successor that starts counts"
    assert at(160, max_workers=2)[1].empty, "there is no place beside it"
    assert at(160, min_workers=1)[1].empty, "the minimum is not broken"
    assert at(160, frozen=True)[1].empty


def test_without_a_boot_that_was_seen_the_successor_comes_at_the_expiry() -> None:
    spec = pool(min_workers=1, max_workers=2)
    workers = [idle(1, spec, 1, expires_at_ms=NOW + 1000)]
    assert decide(observed([spec], workers), NOW).empty


def test_idleness_takes_the_expiring_worker_and_not_its_successor() -> None:
    spec = pool(min_workers=1, max_workers=3, idle_timeout_s=60.0)
    history = {"std": PoolHistory(boot_s=100.0)}
    workers = [
        idle(1, spec, 30, expires_at_ms=NOW + 20_000, at=NOW - 50 * MINUTE),
        idle(2, spec, 30, expires_at_ms=NOW + 10**8, at=NOW - 40 * MINUTE),
    ]
    seen = observed([spec], workers, [], history)
    plan = decide(seen, NOW)
    assert check_plan(seen, plan) == ()
    assert gone(plan) == ["std-0-1"]
    assert not creations(plan)
    assert decide(applied(seen, plan), NOW).empty


@pytest.mark.parametrize("boot_s", [2, 40, 90])
def test_a_day_of_a_minimum_is_never_below_it_and_makes_few_workers(boot_s: int) -> None:
    """Two workers of an hour each: about 2 in an hour, and always two that work."""
    spec = pool(min_workers=2, max_workers=4, ttl_s=3600.0, ttl_jitter=0.05, idle_timeout_s=300.0)
    staying: list[ObservedWorker] = []
    made = 0
    for step in range(24 * 360):
        now = NOW + step * 10_000
        staying = [
            replace(each, state=WorkerState.READY, idle_since_ms=now, ready_at_ms=now)
            if each.state.in_flight and now - each.requested_at_ms >= boot_s * 1000
            else each
            for each in staying
        ]
        seen = observed([spec], staying, [], {"std": PoolHistory(boot_s=float(boot_s))})
        plan = decide(replace(seen, plan_number=PlanNumber(step + 1)), now)
        left = {drain.worker for drain in drains(plan)}
        staying = [each for each in staying if each.name not in left]
        for create in creations(plan):
            made += 1
            starts = worker(0, spec, state=WorkerState.JOINING, at=now, expires_at_ms=create.expires_at_ms)
            staying.append(replace(starts, spec=create.spec))
        works = sum(each.works for each in staying)
        assert works >= 2 or step * 10 <= boot_s + 10
    assert made <= 24 * 2 * 1.2
