"""Custom metrics: as many workers as the value needs, none for a value that is not known, and no guess in between."""

from dataclasses import replace

import pytest
from hypothesis import given

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.scaling.signals.custom_metrics import whole
from herder.model.fleet.metric import Metric, MetricReading, ValueIs
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory
from herder.model.planning.plan import Plan, Reason, ReasonKind
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

BACKLOG = Metric(name="backlog", query="sum(messages)", per_worker=100.0, activation=5.0)
SPEC = pool(metrics=(BACKLOG,))


def plan_of(
    value: float | None,
    workers: list[ObservedWorker] | None = None,
    *,
    spec: PoolSpec = SPEC,
    age_s: float = 0.0,
    fault: str = "",
    jobs: int = 0,
    history: dict[str, PoolHistory] | None = None,
) -> Plan:
    at = None if value is None else NOW - int(age_s * 1000)
    reading = MetricReading(pool=PoolName("std"), metric="backlog", value=value, at_ms=at, fault=fault)
    queue = [queued(1, jobs, cores(16))] if jobs else []
    seen = replace(observed([spec], workers, queue, history), metrics=(reading,))
    plan = decide(seen, NOW)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan), NOW).empty
    return plan


def of(plan: Plan, kind: ReasonKind) -> Reason:
    (reason,) = [each for each in plan.pools[0].reasons if each.kind is kind]
    return reason


def busy(count: int, spec: PoolSpec = SPEC) -> list[ObservedWorker]:
    return [worker(n, spec, free=cores(0), live_attempts=1) for n in range(1, count + 1)]


@pytest.mark.parametrize(
    ("value", "there", "made"),
    [
        (0, 0, 0),
        (5, 0, 0),  # at the activation, and not above it
        (6, 0, 1),
        (250, 0, 3),
        (330, 3, 0),  # within the tolerance of 10 %
        (331, 3, 1),
        (90, 3, 0),
        (5000, 0, 10),  # the pool's maximum
    ],
)
def test_a_total_is_shared_out(value: float, there: int, made: int) -> None:
    plan = plan_of(value, busy(there))
    assert len(creations(plan)) == made
    if made:
        reason = creations(plan)[0].reason
        assert reason.kind is ReasonKind.CUSTOM_METRIC
        evidence = dict(reason.evidence)
        assert (evidence["metric"], evidence["value"], evidence["per_worker"]) == ("backlog", value, 100.0)
        assert evidence["flips"]


def test_an_average_is_of_the_workers_that_are_ready() -> None:
    spec = pool(metrics=(replace(BACKLOG, value=ValueIs.AVERAGE),))
    assert len(creations(plan_of(150, busy(4), spec=spec))) == 2
    assert creations(plan_of(110, busy(4), spec=spec)) == []
    coming = worker(5, spec, state=WorkerState.JOINING)
    assert len(creations(plan_of(150, [*busy(4), coming], spec=spec))) == 1
    assert len(creations(plan_of(150, [], spec=spec))) == 2


def test_workers_that_the_queue_makes_count() -> None:
    plan = plan_of(300, [], jobs=2)
    kinds = [each.reason.kind for each in creations(plan)]
    assert kinds == [ReasonKind.QUEUED_JOBS, ReasonKind.QUEUED_JOBS, ReasonKind.CUSTOM_METRIC]


def test_the_metric_that_wants_most_counts() -> None:
    other = replace(BACKLOG, name="other")
    spec = pool(metrics=(BACKLOG, other))
    readings = tuple(
        MetricReading(pool=PoolName("std"), metric=name, value=value, at_ms=NOW)
        for name, value in (("backlog", 200.0), ("other", 400.0))
    )
    assert len(creations(decide(replace(observed([spec]), metrics=readings), NOW))) == 4


def test_idle_workers_stay_as_far_as_the_value_wants_them() -> None:
    workers = [idle(n, SPEC) for n in range(1, 6)]
    plan = plan_of(201, workers)
    assert len(drains(plan)) == 2
    assert "Idle workers are kept." in of(plan, ReasonKind.CUSTOM_METRIC).text
    assert len(drains(plan_of(5, workers))) == 5


@pytest.mark.parametrize(("value", "age_s"), [(None, 0.0), (900.0, 301.0)])
def test_what_is_not_known_moves_nothing_and_is_said(value: float | None, age_s: float) -> None:
    plan = plan_of(value, [idle(1, SPEC), idle(2, SPEC)], age_s=age_s, fault="no route to host")
    assert plan.empty
    reason = of(plan, ReasonKind.WAITING_ON_OBSERVATION)
    assert "no route to host" in reason.text
    assert "keeps its idle workers" in reason.text
    assert not plan_of(value, [], age_s=age_s, jobs=1).empty  # the queue is known


def test_never_read_is_not_zero() -> None:
    plan = decide(observed([SPEC], [idle(1, SPEC)]), NOW)
    assert plan.empty
    assert "has not been read yet" in of(plan, ReasonKind.WAITING_ON_OBSERVATION).text


def test_the_last_value_is_used_for_a_while_and_that_is_said() -> None:
    plan = plan_of(250, age_s=299, fault="no route to host")
    assert len(creations(plan)) == 3
    assert "an older value is used" in creations(plan)[0].reason.text
    plan = plan_of(250, busy(3), age_s=299, fault="no route to host")
    assert plan.empty
    assert "no route to host" in of(plan, ReasonKind.WAITING_ON_OBSERVATION).text


def test_limits_and_cooldowns_hold_and_are_named() -> None:
    plan = plan_of(900, spec=pool(metrics=(BACKLOG,), max_workers=5, new_workers_per_cycle=2))
    assert len(creations(plan)) == 2
    assert "short of 3 workers for its metrics" in of(plan, ReasonKind.PER_CYCLE_LIMIT).text
    past = {"std": PoolHistory(last_grown_at_ms=NOW - 1000)}
    plan = plan_of(900, spec=pool(metrics=(BACKLOG,), scale_up_cooldown_s=60.0), history=past)
    assert plan.empty
    assert of(plan, ReasonKind.COOLDOWN)


@pytest.mark.parametrize(("workers", "rounded"), [(0, 0), (0.3, 1), (3.0, 3), (0.1 * 3 * 10, 3), (3.01, 4)])
def test_rounding_up(workers: float, rounded: int) -> None:
    assert whole(workers) == rounded


@given(worlds())
def test_what_shrinking_leaves_is_what_the_metrics_want(world: Observed) -> None:
    """Else the next cycle would make again what this one drained."""
    plan = decide(world, NOW)
    gone = {each.worker for each in drains(plan) if each.reason.kind in LESS_NEEDED}
    if not gone:
        return
    after = replace(world, workers=tuple(each for each in world.workers if each.name not in gone))
    pools = {each.pool for each in drains(plan) if each.reason.kind in LESS_NEEDED}
    again = {
        each.spec.pool
        for each in creations(decide(after, NOW))
        if each.reason.kind is ReasonKind.CUSTOM_METRIC
    }
    already = {each.spec.pool for each in creations(plan) if each.reason.kind is ReasonKind.CUSTOM_METRIC}
    assert not pools & (again - already)
