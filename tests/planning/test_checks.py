"""The linter of plans finds each thing that must never be in a plan."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from herder.decide.checks import check_plan
from herder.decide.planner import decide
from herder.model.ids import PlanNumber, PoolName, WorkerName
from herder.model.observed import Observed
from herder.model.plan import CreateWorker, DrainWorker, Plan
from herder.model.worker import WorkerState
from tests.planning.world import NOW, cores, creations, drains, idle, observed, pool, queued, worker

STD = pool(max_workers=4, new_workers_per_cycle=2)
WORLD = observed(
    [STD], [idle(1, STD), worker(2, STD, state=WorkerState.DRAINING, free=cores(0))], [queued(1, 33)]
)
PLAN = decide(WORLD, NOW)
[FIRST, SECOND] = creations(PLAN)


def made(base: CreateWorker = FIRST, **changes: object) -> CreateWorker:
    return replace(base, spec=replace(base.spec, **changes))  # type: ignore[arg-type]


def drain(name: str, of: str = "std") -> DrainWorker:
    return DrainWorker(worker=WorkerName(name), pool=PoolName(of), reason=FIRST.reason)


def test_the_plan_these_tests_spoil_is_clean() -> None:
    assert check_plan(WORLD, PLAN) == ()
    assert drains(PLAN) == []


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lambda p: replace(p, number=PlanNumber(8)), "was made for observation"),
        (lambda p: replace(p, actions=(FIRST, FIRST)), "is made 2 times"),
        (lambda p: replace(p, actions=(made(name="std-0-1"),)), "is made and exists"),
        (lambda p: replace(p, actions=(made(name="std-x"),)), "is not derived"),
        (lambda p: replace(p, actions=(made(pool="gone", name="gone-7-1"),)), "does not exist"),
        (lambda p: replace(p, actions=(made(template="huge"),)), "has not"),
        (lambda p: replace(p, actions=(made(allocatable=cores(99)),)), "differs from its template"),
        (lambda p: replace(p, actions=(FIRST, SECOND, made(name="std-7-3"))), "would have 5 workers"),
        (lambda p: replace(p, actions=(FIRST, SECOND, made(name="std-7-3"))), "allowed per cycle"),
        (lambda p: replace(p, actions=(drain("std-0-9"),)), "does not live"),
        (lambda p: replace(p, actions=(drain("std-0-2"),)), "leaves already"),
        (lambda p: replace(p, actions=(drain("std-0-1"), drain("std-0-1"))), "drained 2 times"),
        (lambda p: replace(p, actions=(drain("std-0-1", "gone"),)), "which does not exist"),
        (lambda p: replace(p, actions=(FIRST, drain("std-7-1"))), "both made and drained"),
        (lambda p: replace(p, pools=()), "0 reports"),
        (lambda p: replace(p, pools=(replace(p.pools[0], reasons=()),)), "gives no reason"),
        (
            lambda p: replace(p, actions=(replace(FIRST, reason=replace(FIRST.reason, text="")),)),
            "says nothing",
        ),
        (
            lambda p: replace(p, actions=(replace(FIRST, reason=replace(FIRST.reason, evidence=())),)),
            "no evidence",
        ),
    ],
)
def test_a_spoilt_plan_is_found_out(spoil: Callable[[Plan], Plan], finding: str) -> None:
    assert any(finding in found for found in check_plan(WORLD, spoil(PLAN)))


@pytest.mark.parametrize(
    ("world", "finding"),
    [
        (replace(WORLD, workers_as_of_ms=None), "never observed"),
        (replace(WORLD, pools=(replace(STD, frozen=True),)), "which is frozen"),
    ],
)
def test_a_plan_that_does_not_suit_its_world_is_found_out(world: Observed, finding: str) -> None:
    assert any(finding in found for found in check_plan(world, PLAN))
