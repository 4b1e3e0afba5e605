"""Consolidation: half-empty workers are put together where that saves more than it loses, and only if asked for."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.scaling.scale_down.consolidation import judge
from herder.decide.scaling.snapshot import snapshot_of
from herder.model.fleet.pool import Consolidation, PoolSpec, Template
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory, RunningClass
from herder.model.planning.plan import Plan, ReasonKind
from herder.model.values.resources import ZERO
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
    template,
    worker,
    worlds,
)

HOUR = 60 * MINUTE
LARGE, SMALL = template("large", 16, 480_000), template("small", 4, 120_000)
STD = pool("std", LARGE, consolidation=Consolidation.BREAK_EVEN, max_workers=20)


def busy(
    number: int,
    of: PoolSpec,
    used: int,
    *,
    ago: int = 5 * MINUTE,
    ends: int | None = 20 * HOUR,
    made: Template = LARGE,
    state: WorkerState = WorkerState.READY,
) -> ObservedWorker:
    group = RunningClass(
        job_class=queued(1, 1, cores(used)).job_class,
        count=1,
        started_sum_ms=NOW - ago,
        last_start_ms=NOW - ago,
        ends_at_ms=None if ends is None else NOW + ends,
    )
    room = made.allocatable.minus(cores(used))
    return worker(number, of, free=room, live_attempts=1, running=(group,), made=made, state=state)


def plan_of(spec: PoolSpec, workers: list[ObservedWorker], **more: object) -> Plan:
    seen: Observed = replace(observed([spec], workers), **more)  # type: ignore[arg-type]
    plan = decide(seen, NOW)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan), NOW).empty
    return plan


def names(plan: Plan) -> list[str]:
    return [drain.worker for drain in drains(plan)]


def kinds(plan: Plan) -> list[ReasonKind]:
    return [reason.kind for reason in plan.pools[0].reasons]


def test_of_two_half_empty_workers_the_emptier_goes() -> None:
    plan = plan_of(STD, [busy(1, STD, 8), busy(2, STD, 4)])
    assert names(plan) == ["std-0-2"]
    reason = drains(plan)[0].reason
    evidence = dict(reason.evidence)
    assert reason.kind is ReasonKind.CONSOLIDATED
    assert int(evidence["saving_pico"]) > int(evidence["lost_work_pico"]) + int(evidence["draining_pico"])


def test_it_is_off_unless_asked_for() -> None:
    spec = replace(STD, scale_down=replace(STD.scale_down, consolidation=Consolidation.OFF))
    assert plan_of(spec, [busy(1, spec, 8), busy(2, spec, 4)]).empty


def test_work_that_has_no_other_place_stays() -> None:
    assert plan_of(STD, [busy(1, STD, 12), busy(2, STD, 12)]).empty
    assert plan_of(STD, [busy(1, STD, 4), worker(2, STD, state=WorkerState.JOINING)]).empty
    assert plan_of(STD, [busy(1, STD, 4), replace(worker(2, STD), cordoned=True)]).empty


def test_what_would_lose_more_than_it_saves_stays_and_is_told() -> None:
    """Twenty hours of work lost, to save a worker that would have gone in ten minutes."""
    spec = replace(STD, scale_down=replace(STD.scale_down, idle_timeout_s=60.0))
    plan = plan_of(spec, [busy(n, spec, 8, ago=20 * HOUR, ends=10 * MINUTE) for n in (1, 2)])
    assert plan.empty
    assert kinds(plan) == [ReasonKind.NOT_WORTH_MOVING]
    assert "flips" in dict(plan.pools[0].reasons[0].evidence)


def test_work_that_ends_within_the_grace_is_not_lost() -> None:
    one = busy(1, STD, 8, ago=20 * HOUR, ends=2 * MINUTE)
    view = snapshot_of(observed([STD], [one]), NOW).pools[0]
    assert judge(view, one, NOW).lost_work == 0
    assert judge(view, busy(1, STD, 8, ago=20 * HOUR), NOW).lost_work > 0


def test_no_more_are_drained_at_a_time_than_the_budget_allows() -> None:
    workers = [busy(n, STD, 2) for n in range(6)]
    assert len(names(plan_of(STD, workers))) == 1
    assert (
        len(names(plan_of(replace(STD, scale_down=replace(STD.scale_down, disruption_budget=3)), workers)))
        == 3
    )
    leaving = [*workers, busy(7, STD, 2, state=WorkerState.DRAINING)]
    plan = plan_of(STD, leaving)
    assert names(plan) == []
    assert kinds(plan) == [ReasonKind.DISRUPTION_BUDGET]


def test_the_minimum_stays() -> None:
    assert plan_of(
        replace(STD, size=replace(STD.size, min_workers=2)), [busy(1, STD, 4), busy(2, STD, 4)]
    ).empty


def test_workers_that_are_moved_do_not_count_as_room_for_one_another() -> None:
    spec = replace(STD, scale_down=replace(STD.scale_down, disruption_budget=10))
    plan = plan_of(spec, [busy(n, spec, 8) for n in range(4)])
    assert len(names(plan)) == 2


def test_the_work_of_what_drains_already_keeps_its_place() -> None:
    spec = replace(STD, scale_down=replace(STD.scale_down, disruption_budget=2))
    workers = [busy(1, spec, 8), busy(2, spec, 8, state=WorkerState.DRAINING), busy(3, spec, 10)]
    assert names(plan_of(spec, workers)) == []


def test_queued_work_comes_before_consolidation() -> None:
    workers = [busy(1, STD, 8), busy(2, STD, 4)]
    assert names(plan_of(STD, workers, demand=(queued(1, 1),))) == []


def test_a_cheaper_template_is_made_first_and_the_old_worker_drained_when_it_is_ready() -> None:
    spec = replace(STD, templates=(LARGE, SMALL))
    old = busy(1, spec, 4, made=LARGE)
    history = (("std", PoolHistory(boot_s=120.0)),)
    plan = plan_of(spec, [old], history=history)
    assert [action.spec.template for action in creations(plan)] == ["small"]
    assert creations(plan)[0].reason.kind is ReasonKind.CONSOLIDATED
    assert plan_of(spec, [old, worker(2, spec, made=SMALL, state=WorkerState.JOINING)], history=history).empty
    assert names(plan_of(spec, [old, idle(2, spec, 0, made=SMALL)], history=history)) == ["std-0-1"]


def test_a_cheaper_template_must_pay_for_its_boot() -> None:
    spec = replace(
        STD,
        templates=(LARGE, SMALL),
        scale_down=replace(STD.scale_down, idle_timeout_s=60.0),
        lifetime=replace(STD.lifetime, drain_grace_s=0.0),
    )
    old = busy(1, spec, 4, made=LARGE, ago=0, ends=5 * MINUTE)
    slow = plan_of(spec, [old], history=(("std", PoolHistory(boot_s=3600.0)),))
    assert creations(slow) == []
    assert kinds(slow) == [ReasonKind.NOT_WORTH_MOVING]
    assert len(creations(plan_of(spec, [old], history=(("std", PoolHistory(boot_s=30.0)),)))) == 1


@given(worlds())
def test_only_workers_whose_work_fits_elsewhere_are_moved_within_the_budget(world: Observed) -> None:
    plan = decide(world, NOW)
    for spec in world.pools:
        moved = [d for d in drains(plan) if d.pool == spec.name and d.reason.kind is ReasonKind.CONSOLIDATED]
        assert len(moved) <= spec.scale_down.disruption_budget
        assert not moved or spec.scale_down.consolidation is Consolidation.BREAK_EVEN
        going = {drain.worker for drain in drains(plan)}
        free = cores(0)
        for each in world.workers:
            if each.spec.pool == spec.name and each.usable and each.name not in going:
                free = free.plus(each.free)
        load = ZERO
        for each in world.workers:
            if each.name in {drain.worker for drain in moved}:
                for group in each.running or ():
                    load = load.plus(group.job_class.request.times(group.count))
        assert load.fits_in(free)


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_longer_the_work_has_run_the_dearer_a_move(shorter: int, longer: int) -> None:
    low, high = sorted((shorter, longer))
    view = snapshot_of(observed([STD], [busy(1, STD, 8)]), NOW).pools[0]
    costs = [judge(view, busy(1, STD, 8, ago=hours * HOUR), NOW) for hours in (low, high)]
    assert costs[0].cost <= costs[1].cost
    assert costs[0].saving == costs[1].saving
