"""The linter of plans finds each thing that must never be in a plan."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.offer import FailureCause, OfferKey, OfferMemory
from herder.model.fleet.schedule import Schedule, Window
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PlanNumber, PoolName, WorkerName
from herder.model.planning.observed import Observed, PoolHistory
from herder.model.planning.plan import CreateWorker, DrainWorker, Plan, ReasonKind
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
        (lambda p: replace(p, actions=(FIRST, FIRST)), "is created 2 times"),
        (lambda p: replace(p, actions=(made(name="std-0-1"),)), "is created and exists"),
        (lambda p: replace(p, actions=(made(name="std-x"),)), "is not derived"),
        (lambda p: replace(p, actions=(made(pool="gone", name="gone-7-1"),)), "does not exist"),
        (lambda p: replace(p, actions=(made(template="huge"),)), "does not have"),
        (lambda p: replace(p, actions=(made(allocatable=cores(99)),)), "differs from its template"),
        (lambda p: replace(p, actions=(FIRST, SECOND, made(name="std-7-3"))), "would have 5 workers"),
        (lambda p: replace(p, actions=(FIRST, SECOND, made(name="std-7-3"))), "per cycle"),
        (lambda p: replace(p, actions=(drain("std-0-9"),)), "is drained and does not exist"),
        (lambda p: replace(p, actions=(drain("std-0-2"),)), "is being removed already"),
        (lambda p: replace(p, actions=(drain("std-0-1"), drain("std-0-1"))), "drained 2 times"),
        (lambda p: replace(p, actions=(drain("std-0-1", "gone"),)), "which does not exist"),
        (lambda p: replace(p, actions=(FIRST, drain("std-7-1"))), "both created and drained"),
        (lambda p: replace(p, pools=()), "0 reports"),
        (lambda p: replace(p, pools=(replace(p.pools[0], reasons=()),)), "gives no reason"),
        (
            lambda p: replace(p, actions=(replace(FIRST, reason=replace(FIRST.reason, text="")),)),
            "has no text",
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


def test_what_is_given_up_to_save_money_is_bounded() -> None:
    spec = pool(scale_down_fraction=0.5, disruption_budget=1)
    workers = [worker(n, spec, live_attempts=1, free=cores(8)) for n in range(4)]
    world = observed([spec], workers, history={spec.name: PoolHistory(removals_ms=(NOW - 1,))})
    plan = decide(world, NOW)
    moved = replace(FIRST.reason, kind=ReasonKind.CONSOLIDATED)

    def draining(count: int) -> Plan:
        gone = tuple(replace(drain(f"std-0-{n}"), reason=moved) for n in range(count))
        return replace(plan, actions=gone)

    assert check_plan(world, draining(1)) == ()
    assert any("at a time, and its disruption_budget is 1" in said for said in check_plan(world, draining(2)))
    assert not any("in a period" in said for said in check_plan(world, draining(1)))
    assert any(
        "would remove 3 workers in a period, and may remove at most 2" in said
        for said in check_plan(world, draining(2))
    )


def test_of_an_offer_that_failed_none_is_made_before_its_time_and_then_one() -> None:
    key = OfferKey(pool=STD.name, template=STD.templates[0].name, driver=STD.driver)
    memory = OfferMemory(key=key).failed(
        FailureCause.OUT_OF_CAPACITY, NOW - 15_000, requested_at_ms=NOW - 20_000
    )
    world = replace(WORLD, offers=(memory,))
    assert any("2 workers are created from template medium" in said for said in check_plan(world, PLAN))
    assert check_plan(world, decide(world, NOW)) == ()
    early = replace(PLAN, made_at_ms=NOW - 1, actions=(FIRST,))
    assert any("1 workers are created from template medium" in said for said in check_plan(world, early))


def test_the_limits_of_a_window_are_the_ones_that_count() -> None:
    schedule = Schedule(cron="0 8 * * *", min_workers=0, max_workers=2)
    window = Window(schedule=schedule, lead_from_ms=NOW - 1, start_ms=NOW - 1, end_ms=NOW + 1)
    world = replace(WORLD, windows=((STD.name, (window,)),))
    assert any("would have 4 workers, and may have at most 2" in said for said in check_plan(world, PLAN))
    assert check_plan(world, decide(world, NOW)) == ()
