"""Headroom and target utilisation: made beyond the queue, kept from scale-down, never counted twice."""

from dataclasses import replace

from hypothesis import given

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.pool import Headroom, PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import Observed, ObservedWorker, QueuedClass
from herder.model.planning.plan import Plan, ReasonKind
from herder.model.values.resources import Resources
from tests.planning.world import (
    LESS_NEEDED,
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
    worlds,
)


def plan_of(spec: PoolSpec, workers: list[ObservedWorker] | None = None, *queue: QueuedClass) -> Plan:
    seen = observed([spec], workers, list(queue))
    plan = decide(seen, NOW)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan), NOW).empty
    return plan


def half(number: int, of: PoolSpec) -> ObservedWorker:
    return worker(number, of, free=cores(8), live_attempts=8)


def test_a_headroom_of_workers_is_made_beyond_what_the_queue_needs() -> None:
    spec = pool(headroom=Headroom(workers=2))
    assert len(creations(plan_of(spec))) == 2
    assert len(creations(plan_of(spec, [], queued(1, 1, cores(16))))) == 3
    assert len(creations(plan_of(spec, [idle(1, spec, 0)], queued(1, 1, cores(1))))) == 2
    assert creations(plan_of(spec, [idle(1, spec, 0), worker(2, spec, state=WorkerState.JOINING)])) == []


def test_what_queued_jobs_leave_free_counts_for_a_headroom_of_room() -> None:
    spec = pool(headroom=Headroom(free=Resources(8000, 0, 0, 0)))
    assert len(creations(plan_of(spec, [], queued(1, 8, cores(1))))) == 1
    assert len(creations(plan_of(spec, [], queued(1, 9, cores(1))))) == 2
    assert creations(plan_of(spec, [half(1, spec)])) == []


def test_headroom_minimum_and_target_are_not_added_up() -> None:
    spec = pool(headroom=Headroom(workers=2), min_workers=3, target_utilisation=0.5)
    plan = plan_of(spec, [], queued(1, 16, cores(1)))
    assert len(creations(plan)) == 3  # one for the queue, two empty: utilisation 1/3, three workers
    kinds = [action.reason.kind for action in creations(plan)]
    assert kinds[0] is ReasonKind.QUEUED_JOBS


def test_a_target_utilisation_makes_workers_before_the_last_is_full() -> None:
    spec = pool(target_utilisation=0.5)
    assert creations(plan_of(spec, [half(1, spec)])) == []
    plan = plan_of(spec, [half(1, spec)], queued(1, 1, cores(1)))
    assert len(creations(plan)) == 1
    reason = creations(plan)[0].reason
    assert reason.kind is ReasonKind.TARGET_UTILISATION
    assert dict(reason.evidence)["utilisation"] == 0.562


def test_the_headroom_is_not_idle() -> None:
    spec = pool(headroom=Headroom(workers=2))
    plan = plan_of(spec, [idle(n, spec) for n in range(1, 6)])
    assert len(drains(plan)) == 3
    assert ReasonKind.HEADROOM in [reason.kind for reason in plan.pools[0].reasons]
    assert len(drains(plan_of(pool(), [idle(n, pool()) for n in range(1, 6)]))) == 5


def test_idle_workers_stay_as_far_as_the_target_needs_them() -> None:
    spec = pool(target_utilisation=0.5)
    workers = [worker(1, spec, free=cores(0), live_attempts=1), idle(2, spec), idle(3, spec)]
    plan = plan_of(spec, workers)
    assert len(drains(plan)) == 1
    assert ReasonKind.TARGET_UTILISATION in [reason.kind for reason in plan.pools[0].reasons]


def test_a_limit_that_cuts_the_headroom_is_named() -> None:
    spec = pool(headroom=Headroom(workers=5), max_workers=5, new_workers_per_cycle=2)
    plan = plan_of(spec)
    assert len(creations(plan)) == 2
    (limit,) = [reason for reason in plan.pools[0].reasons if reason.kind is ReasonKind.PER_CYCLE_LIMIT]
    assert "short of 3 workers for its headroom" in limit.text
    assert plan.pools[0].desired == 5


@given(worlds())
def test_what_shrinking_leaves_is_enough_for_headroom_and_target(world: Observed) -> None:
    """Else the next cycle would make again what this one drained."""
    world = replace(world, history=(), offers=())
    plan = decide(world, NOW)
    gone = {drain.pool for drain in drains(plan) if drain.reason.kind in LESS_NEEDED}
    later = applied(world, plan)
    again = decide(replace(later, history=()), NOW)
    spare = (ReasonKind.HEADROOM, ReasonKind.TARGET_UTILISATION)
    made = {action.spec.pool for action in creations(plan)}
    for action in creations(again):
        if action.spec.pool in gone and action.spec.pool not in made:
            assert action.reason.kind not in spare
