"""Bounds with waiting: never above what can be done, in the right order, and the same for the same input."""

from __future__ import annotations

import importlib.util
from itertools import pairwise, product
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.model.values.resources import Resources
from herder.simulate.bounds import no_wait
from herder.simulate.bounds.relaxation import Least, Limits, SolverMissing, highs, least_cost
from herder.simulate.bounds.relaxation.time_windows import curves, jobs_of
from herder.simulate.policies.catalogue import find_policy
from herder.simulate.policies.simple.first_fit import FirstFit
from herder.simulate.runs.outcome import cost_of, outcome_of
from herder.simulate.traces.trace import Trace, TraceJob, trace_of
from herder.simulate.world.boot_times import Boot
from herder.simulate.world.offers import SimTemplate, cores
from herder.simulate.world.world import World
from tests.simulate.small import BOOT, NO_BOOT, REAL_POLICIES, TEMPLATES, ran, trace, traces

CLOSE = 1 + 1e-7
SHORT = Limits(slot_s=60.0)


@pytest.mark.parametrize("name", REAL_POLICIES)
@given(work=traces(), templates=TEMPLATES, slot_s=st.sampled_from([45.0, 300.0, 3600.0]))
@settings(max_examples=6, deadline=None)
def test_no_policy_is_cheaper_than_the_bounds_for_its_longest_wait(
    name: str, work: Trace, templates: tuple[SimTemplate, ...], slot_s: float
) -> None:
    world = ran(work, templates, find_policy(name).make())
    least = least_cost(world, outcome_of(world, 1.0, 0.0).wait_max_s, Limits(slot_s=slot_s))
    assert no_wait.volume(world) <= least.waiting * CLOSE
    assert least.waiting <= least.starting
    assert least.starting <= cost_of(world) * CLOSE + 1e-9


@given(work=traces(), templates=TEMPLATES)
@settings(max_examples=12, deadline=None)
def test_who_may_not_wait_has_the_no_wait_bound_and_who_may_wait_longer_less(
    work: Trace, templates: tuple[SimTemplate, ...]
) -> None:
    world = ran(work, templates, FirstFit(), boot=NO_BOOT)
    found = [least_cost(world, wait_s, SHORT) for wait_s in (0.0, 60.0, 500.0, 7200.0)]
    assert found[0].waiting == pytest.approx(no_wait.no_wait(world), rel=1e-6, abs=1e-6)
    for shorter, longer in pairwise(found):
        assert longer.waiting <= shorter.waiting * CLOSE + 1e-6


@given(
    jobs=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=3),
    wait=st.integers(0, 3),
    boot=st.integers(0, 3),
    billed=st.integers(0, 6),
    slot=st.sampled_from([1, 2, 3]),
)
@settings(max_examples=60, deadline=None)
def test_brute_force_finds_nothing_cheaper(
    jobs: list[tuple[int, int, int]], wait: int, boot: int, billed: int, slot: int
) -> None:
    """Minutes; workers of two cores (jobs of three are left out). Every start within the wait, and for each the best fleet."""
    work = trace(*((60.0 * a, 60.0 * r, c) for a, r, c in jobs))
    world = World(
        work, (cores(2, 60.0, billed_s=60.0 * billed),), boot=Boot(low_s=60.0 * boot, high_s=60.0 * boot)
    )
    world.unplaced = [job for job in range(len(work)) if world.homeless[work.shape_of[job]]]
    placed = [(a, r, c) for a, r, c in jobs if c <= 2]
    best = min(
        _fleet([(s, r, c) for s, (_, r, c) in zip(starts, placed, strict=True)], boot, billed)
        for starts in product(*(range(a, a + wait + 1) for a, _, _ in placed))
    )
    assert least_cost(world, 60.0 * wait, Limits(slot_s=60.0 * slot)).starting <= best * CLOSE + 1e-9


def _fleet(runs: list[tuple[int, int, int]], boot: int, billed: int) -> float:
    """Least cost of whole workers that carry the load and may stay idle; one a minute costs 1. Oldest goes first or stays."""
    end = max((s + r for s, r, _ in runs), default=0)
    need = [ceil(sum(c for s, r, c in runs if s <= t < s + r) / 2) for t in range(end)]
    least_ready = max(0, billed - boot)

    def go(t: int, ages: tuple[int, ...]) -> float:
        if t == end:
            return float(sum(max(0, least_ready - age) for age in ages))
        best = float("inf")
        old = sum(age >= least_ready for age in ages)
        for leave in range(old + 1):
            kept = tuple(sorted(ages, reverse=True)[leave:])
            new = max(0, need[t] - len(kept))
            fleet = tuple(min(age + 1, least_ready) for age in (*kept, *(0,) * new))
            best = min(best, len(fleet) + new * boot + go(t + 1, fleet))
        return best

    return go(0, ())


def test_a_burst_that_may_wait_needs_fewer_workers() -> None:
    """Four jobs of an hour at once on one core each: waiting three hours, one worker does it, and boots once."""
    work = trace(*((0.0, 3600.0, 1) for _ in range(4)), (3 * 3600.0, 3600.0, 1))
    world = ran(work, (cores(1, 1.0),), FirstFit(), boot=BOOT)
    none, hours = least_cost(world, 0.0), least_cost(world, 3 * 3600.0)
    assert none.waiting == pytest.approx(5.0)
    assert none.starting == pytest.approx(5.0 + 5 * 120 / 3600)
    assert hours.starting == pytest.approx(5.0 + 120 / 3600, rel=1e-3)


def test_a_least_billing_is_paid_by_everybody() -> None:
    work = trace((0.0, 600.0, 1), (40_000.0, 600.0, 1))
    world = ran(work, (cores(1, 6.0, billed_s=3600.0),), FirstFit(), boot=NO_BOOT)
    assert cost_of(world) == pytest.approx(12.0)
    least = least_cost(world, 0.0)
    assert (least.waiting, least.starting) == (pytest.approx(2.0), pytest.approx(12.0))


def test_children_may_be_late_by_their_parents_waits() -> None:
    jobs = [
        TraceJob(arrival_s=0.0, run_s=100.0, request=Resources(1000), id="a"),
        TraceJob(arrival_s=0.0, run_s=100.0, request=Resources(1000), id="b", parents=("a",)),
    ]
    world = World(trace_of("test", jobs), (cores(1),), boot=NO_BOOT)
    found = jobs_of(world, 50.0)
    assert found.earliest_s.tolist() == [0.0, 100.0]
    assert found.latest_s.tolist() == [50.0, 200.0]


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 900)), min_size=1, max_size=6), st.floats(0, 300))
@settings(max_examples=50, deadline=None)
def test_the_curves_keep_all_work_and_hold_every_start_between_them(
    jobs: list[tuple[float, float]], wait_s: float
) -> None:
    work = trace(*((a, r, 1) for a, r in jobs))
    world = World(work, (cores(1),), boot=NO_BOOT)
    columns = jobs_of(world, wait_s)
    slots = int(columns.end_s / 100) + 2
    total = 0.0
    for curve in curves(columns, 100.0, slots, (1, 2, 4)):
        assert (curve.low <= curve.high + 1e-9).all()
        assert (np.diff(curve.low) >= 0).all()
        total += float(curve.high[-1]) * (curve.slots or 1)
    assert total == pytest.approx(float(columns.run_s.sum()) / 100, abs=1e-6)


def test_a_long_trace_gets_longer_slots_and_a_failed_solver_still_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = ran(trace(*((600.0 * n, 5000.0, 1) for n in range(100))), (cores(4),), FirstFit())
    few = least_cost(world, 600.0, Limits(slot_s=60.0, columns=900))
    assert few.variables <= 900
    assert few.slot_s > 60.0
    monkeypatch.setattr(highs, "METHODS", ())
    failed = least_cost(world, 600.0, SHORT)
    assert not failed.complete
    assert failed.starting == no_wait.volume(world)


def test_the_same_question_has_the_same_answer() -> None:
    world = ran(trace(*((77.0 * n, 500.0, 1) for n in range(50))), (cores(4),), FirstFit())
    answers: list[Least] = [least_cost(world, 300.0) for _ in range(2)]
    assert answers[0] == answers[1]


def test_without_the_solver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(trace((0, 1, 1)), (cores(1),), boot=NO_BOOT)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SolverMissing, match=r"pip install 'herder\[optimise\]'"):
        least_cost(world, 0.0)
