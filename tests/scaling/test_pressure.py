"""CPU and memory pressure: what is really used makes workers after a while, keeps them, and is never guessed."""

from dataclasses import replace

import pytest
from hypothesis import given

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.scaling.signals.pressure import pressed_since
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.pressure import Measured, Pressure, WorkerUse
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory, QueuedClass
from herder.model.planning.plan import Plan, Reason, ReasonKind
from tests.planning.world import (
    LESS_NEEDED,
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
    worlds,
)

EIGHTY = Pressure(above=0.8)
SPEC = pool(cpu_pressure=EIGHTY)


def used(cpu: int, memory: int = 0, at: int = NOW) -> WorkerUse:
    return WorkerUse(cpu_milli=cpu * 1000, memory_mib=memory * 1024, at_ms=at)


def busy(number: int, of: PoolSpec, use: WorkerUse | None) -> ObservedWorker:
    return worker(number, of, free=cores(0), live_attempts=4, use=use)


def pressed(minutes: float, measured: Measured = Measured.CPU) -> dict[str, PoolHistory]:
    return {"std": PoolHistory(pressed_since_ms=((measured, NOW - int(minutes * MINUTE)),))}


def plan_of(
    spec: PoolSpec,
    workers: list[ObservedWorker],
    history: dict[str, PoolHistory] | None = None,
    *queue: QueuedClass,
) -> Plan:
    seen = observed([spec], workers, list(queue), history)
    plan = decide(seen, NOW)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan), NOW).empty
    return plan


def said(plan: Plan, kind: ReasonKind) -> Reason:
    (reason,) = [each for each in plan.pools[0].reasons if each.kind is kind]
    return reason


def test_pressure_for_long_enough_makes_workers_until_the_target() -> None:
    plan = plan_of(SPEC, [busy(n, SPEC, used(16)) for n in range(1, 6)], pressed(5))
    assert len(creations(plan)) == 3  # 80 of 80 cores are used; 70 % of 115 or more are 80
    reason = creations(plan)[0].reason
    assert reason.kind is ReasonKind.CPU_PRESSURE
    evidence = dict(reason.evidence)
    assert (evidence["use"], evidence["threshold"], evidence["seen_workers"]) == (1.0, 0.8, 5)
    assert evidence["since_ms"] == NOW - 5 * MINUTE
    assert evidence["flips"]


def test_pressure_that_is_young_makes_nothing_and_says_when_it_would() -> None:
    plan = plan_of(SPEC, [busy(1, SPEC, used(16))], pressed(4.9))
    assert creations(plan) == []
    assert "It grows at" in said(plan, ReasonKind.CPU_PRESSURE).text


def test_the_threshold_itself_is_no_pressure() -> None:
    spec = pool(cpu_pressure=Pressure(above=0.75))
    assert creations(plan_of(spec, [busy(1, spec, used(12))], pressed(60))) == []
    assert len(creations(plan_of(spec, [busy(1, spec, used(13))], pressed(60)))) == 1


def test_memory_counts_for_itself() -> None:
    spec = pool(cpu_pressure=EIGHTY, memory_pressure=Pressure(above=0.85))
    plan = plan_of(spec, [busy(1, spec, used(1, 15))], pressed(6, Measured.MEMORY))
    assert [each.reason.kind for each in creations(plan)] == [ReasonKind.MEMORY_PRESSURE]


def test_workers_on_their_way_and_those_made_for_the_queue_count() -> None:
    workers = [busy(1, SPEC, used(16)), worker(2, SPEC, state=WorkerState.JOINING)]
    plan = plan_of(SPEC, workers, pressed(9))
    assert creations(plan) == []
    assert "is starting or not yet measured is enough" in said(plan, ReasonKind.CPU_PRESSURE).text
    plan = plan_of(SPEC, [busy(1, SPEC, used(16))], pressed(9), queued(1, 1, cores(4)))
    assert [each.reason.kind for each in creations(plan)] == [ReasonKind.QUEUED_JOBS]


def test_what_queue_and_pressure_want_is_not_added_up() -> None:
    spec = pool(cpu_pressure=EIGHTY, min_workers=6)
    assert len(creations(plan_of(spec, [busy(n, spec, used(16)) for n in range(1, 6)], pressed(5)))) == 3


@pytest.mark.parametrize("use", [None, used(16, at=NOW - 31_000)])
def test_unknown_is_not_zero_and_makes_nothing(use: WorkerUse | None) -> None:
    workers = [busy(1, SPEC, used(16)), *(busy(n, SPEC, use) for n in (2, 3))]
    plan = plan_of(SPEC, workers, pressed(60))
    assert creations(plan) == []
    reason = said(plan, ReasonKind.WAITING_ON_OBSERVATION)
    assert "1 of 3 ready workers" in reason.text
    assert dict(reason.evidence)["unknown_workers"] == 2


def test_a_pool_of_which_nothing_is_known_gives_up_no_idle_worker() -> None:
    plan = plan_of(SPEC, [idle(1, SPEC), idle(2, SPEC)])
    assert drains(plan) == []
    assert said(plan, ReasonKind.WAITING_ON_OBSERVATION)
    assert len(drains(plan_of(SPEC, [idle(1, SPEC, use=used(0)), idle(2, SPEC, use=used(0))]))) == 2


def test_idle_workers_stay_as_far_as_the_use_of_the_others_needs_them() -> None:
    workers = [busy(n, SPEC, used(16)) for n in range(1, 6)]
    workers += [idle(n, SPEC, use=used(0)) for n in range(6, 11)]
    plan = plan_of(SPEC, workers)
    assert len(drains(plan)) == 2  # five of eight are 62 %, five of seven 71 %
    reason = said(plan, ReasonKind.CPU_PRESSURE)
    assert "are kept" in reason.text
    assert dict(reason.evidence)["target"] == 0.7


def test_the_limits_of_the_pool_hold_and_are_named() -> None:
    spec = pool(cpu_pressure=EIGHTY, max_workers=6)
    workers = [busy(n, spec, used(16)) for n in range(1, 6)]
    plan = plan_of(spec, workers, pressed(5))
    assert len(creations(plan)) == 1
    assert "for its cpu_pressure" in said(plan, ReasonKind.AT_MAXIMUM).text
    cooling = replace(pressed(5)["std"], last_grown_at_ms=NOW - 1000)
    plan = plan_of(replace(spec, scale_up=replace(spec.scale_up, cooldown_s=60.0)), workers, {"std": cooling})
    assert creations(plan) == []
    assert said(plan, ReasonKind.COOLDOWN)


def test_since_when_a_pool_is_under_pressure() -> None:
    seen = observed([SPEC], [busy(1, SPEC, used(14))])
    assert pressed_since(seen, NOW) == {PoolName("std"): {Measured.CPU: NOW}}
    later = replace(seen, history=((PoolName("std"), pressed(3)["std"]),))
    assert pressed_since(later, NOW) == {PoolName("std"): {Measured.CPU: NOW - 3 * MINUTE}}
    assert pressed_since(later, NOW + MINUTE) == {}  # its samples are old by then: not known is a break
    assert pressed_since(replace(seen, workers=(busy(1, SPEC, used(12)),)), NOW) == {}
    assert pressed_since(observed([pool()], [busy(1, pool(), used(16))]), NOW) == {}


@given(worlds())
def test_what_shrinking_leaves_is_not_under_pressure(world: Observed) -> None:
    """Else the next cycle would make again what this one drained."""
    plan = decide(world, NOW)
    gone = {each.worker for each in drains(plan) if each.reason.kind in LESS_NEEDED}
    after = replace(world, workers=tuple(each for each in world.workers if each.name not in gone))
    shrunk = {each.pool for each in drains(plan) if each.reason.kind in LESS_NEEDED}
    new = pressed_since(after, NOW)
    assert not shrunk & (new.keys() - pressed_since(world, NOW).keys())
