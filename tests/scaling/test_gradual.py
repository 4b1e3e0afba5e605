"""Gradual scale-down: so much in so long, the worker whose last job ends soonest, never below the minimum."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.observed import ObservedWorker, PoolHistory, RunningClass
from herder.model.planning.plan import Plan, ReasonKind
from tests.planning.world import (
    MINUTE,
    NOW,
    ONE_CORE,
    applied,
    cores,
    drains,
    idle,
    observed,
    pool,
    queued,
    worker,
)


def busy(
    number: int, of: PoolSpec, *, ends: int | None = None, start: int = 10, used: int = 1
) -> ObservedWorker:
    """Ends and start in minutes from now and ago."""
    began = NOW - start * MINUTE
    group = RunningClass(
        job_class=queued(1, 1, ONE_CORE).job_class,
        count=used,
        started_sum_ms=began * used,
        last_start_ms=began,
        ends_at_ms=None if ends is None else NOW + ends * MINUTE,
    )
    return worker(number, of, free=cores(16 - used), live_attempts=used, running=(group,))


def plan_of(spec: PoolSpec, workers: list[ObservedWorker], *removed: int, now: int = NOW) -> Plan:
    seen = observed([spec], workers, history={spec.name: PoolHistory(removals_ms=removed)})
    plan = decide(seen, now)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan, now), now).empty
    return plan


def names(plan: Plan) -> list[str]:
    return [drain.worker for drain in drains(plan)]


@pytest.mark.parametrize(("workers", "gone"), [(1, 1), (2, 1), (4, 1), (9, 1), (10, 2), (25, 5)])
def test_a_fifth_goes_but_at_least_one(workers: int, gone: int) -> None:
    spec = pool(scale_down_fraction=0.2, max_workers=30)
    plan = plan_of(spec, [idle(n, spec) for n in range(workers)])
    assert len(drains(plan)) == gone
    if gone < workers:
        (limit,) = [reason for reason in plan.pools[0].reasons if reason.kind is ReasonKind.GRADUAL_LIMIT]
        assert "flips" in dict(limit.evidence)


def test_the_default_is_that_idle_workers_go_at_once() -> None:
    spec = pool(max_workers=30)
    assert len(drains(plan_of(spec, [idle(n, spec) for n in range(20)]))) == 20


def test_what_went_in_the_period_counts_until_the_period_is_over() -> None:
    spec = pool(scale_down_fraction=0.2, max_workers=30)
    workers = [idle(n, spec) for n in range(8)]
    assert names(plan_of(spec, workers, NOW - 10 * MINUTE, NOW - 5 * MINUTE)) == []
    assert len(names(plan_of(spec, workers, NOW - 30 * MINUTE, NOW - 29 * MINUTE))) == 0
    assert len(names(plan_of(spec, workers, NOW - 30 * MINUTE, NOW - 30 * MINUTE))) == 1


def test_the_minimum_is_kept() -> None:
    spec = pool(scale_down_fraction=1.0, min_workers=2)
    assert len(names(plan_of(spec, [idle(n, spec) for n in range(5)]))) == 3


TRACKING = pool(scale_down_fraction=0.2, target_utilisation=0.6)


def test_of_the_under_used_the_one_whose_last_job_ends_soonest_goes() -> None:
    workers = [busy(1, TRACKING, ends=4), busy(2, TRACKING, ends=2), busy(3, TRACKING, ends=3)]
    plan = plan_of(TRACKING, workers)
    assert names(plan) == ["std-0-2"]
    assert drains(plan)[0].reason.kind is ReasonKind.UNDER_USED


def test_what_is_known_to_outlast_the_grace_stays() -> None:
    assert names(plan_of(TRACKING, [busy(n, TRACKING, ends=60) for n in (1, 2, 3)])) == []


def test_of_jobs_whose_end_nobody_knows_the_oldest_goes_after_the_known() -> None:
    workers = [busy(1, TRACKING, start=10), busy(2, TRACKING, start=90), busy(3, TRACKING, start=50)]
    assert names(plan_of(TRACKING, workers)) == ["std-0-2"]
    assert names(plan_of(TRACKING, [*workers, busy(4, TRACKING, ends=5)])) == ["std-0-4"]
    assert names(plan_of(TRACKING, [*workers, idle(5, TRACKING, 0)])) == ["std-0-5"]


def test_nobody_goes_when_the_rest_would_be_used_above_the_target() -> None:
    workers = [busy(n, TRACKING, ends=1, used=9) for n in (1, 2)]
    plan = plan_of(TRACKING, workers)
    assert names(plan) == []
    assert plan.pools[0].reasons[0].kind is ReasonKind.TARGET_UTILISATION


def test_no_more_that_work_are_drained_than_the_budget_allows() -> None:
    spec = replace(
        TRACKING,
        scale_down=replace(TRACKING.scale_down, fraction=1.0),
        size=replace(TRACKING.size, max_workers=20),
    )
    workers = [busy(n, spec, ends=1) for n in range(10)]
    for budget in (0, 1, 3):
        plan = plan_of(replace(spec, scale_down=replace(spec.scale_down, disruption_budget=budget)), workers)
        assert len(names(plan)) == budget
        assert ReasonKind.DISRUPTION_BUDGET in [reason.kind for reason in plan.pools[0].reasons]


def test_without_a_degree_nobody_who_works_goes() -> None:
    spec = pool(target_utilisation=0.6)
    assert names(plan_of(spec, [busy(n, spec, ends=1) for n in (1, 2, 3)])) == []


@given(
    st.integers(1, 40),
    st.sampled_from([0.1, 0.2, 0.5]),
    st.integers(0, 3),
    st.lists(st.integers(0, 1799), max_size=8),
)
def test_in_every_period_at_most_the_degree_goes(
    count: int, fraction: float, least: int, past: list[int]
) -> None:
    """Cycle after cycle through one period."""
    spec = pool(scale_down_fraction=fraction, min_workers=least, max_workers=60)
    workers = [idle(n, spec) for n in range(count)]
    removed = [NOW - second * 1000 for second in past]
    at_most = max(1, int(fraction * (count + len(past))), len(past))
    for minute in range(0, 30, 3):
        now = NOW + minute * MINUTE
        seen = observed([spec], workers, history={spec.name: PoolHistory(removals_ms=tuple(removed))})
        gone = {drain.worker for drain in drains(decide(seen, now))}
        workers = [each for each in workers if each.name not in gone]
        removed += [now] * len(gone)
        assert sum(at > now - 30 * MINUTE for at in removed) <= at_most
    assert len(workers) >= min(count, least)
