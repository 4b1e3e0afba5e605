"""A minimum that finds no capacity takes it from spot workers: the cheapest loss, within budgets, and only while that can help."""

from dataclasses import replace

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.offer import FailureCause, OfferMemory, OfferName, offers_of
from herder.model.fleet.pool import PoolSpec, SpotUse, Zone
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import Observed, ObservedWorker
from herder.model.planning.plan import DrainWorker, Plan, Reason, ReasonKind
from tests.planning.world import (
    MINUTE,
    NOW,
    applied,
    cores,
    creations,
    drains,
    idle,
    key_of,
    observed,
    pool,
    queued,
    template,
    worker,
)

PERMANENT = pool("fixed", template("big", 16), min_workers=1, preempts_spot=True)
SPOT = pool("cheap", template("spot", 8, spot=SpotUse.YES), disruption_budget=5)


def short(
    of: PoolSpec = PERMANENT, cause: FailureCause = FailureCause.OUT_OF_CAPACITY, times: int = 1
) -> OfferMemory:
    memory = OfferMemory(key=key_of(of, offers_of(of.templates[0])[0]))
    for _ in range(times):
        memory = memory.failed(cause, NOW, requested_at_ms=NOW)
    return memory


def seen_of(
    workers: list[ObservedWorker],
    *memories: OfferMemory,
    of: PoolSpec = PERMANENT,
    spot: PoolSpec = SPOT,
    jobs: int = 0,
) -> Observed:
    queue = [queued(1, jobs, cores(8), pool=spot.name)] if jobs else []
    return replace(observed([of, spot], workers, queue), offers=memories)


def plan_of(seen: Observed, later_ms: int = 1) -> Plan:
    plan = decide(seen, NOW + later_ms)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan, NOW + later_ms), NOW + later_ms).empty
    return plan


def busy(number: int, minutes: int, of: PoolSpec = SPOT, **more: object) -> ObservedWorker:
    return worker(number, of, free=cores(0), live_attempts=1, at=NOW - minutes * MINUTE, **more)  # type: ignore[arg-type]


def gone(plan: Plan) -> list[str]:
    return [each.worker for each in drains(plan) if each.reason.kind is ReasonKind.PREEMPTED]


def of(plan: Plan, name: str, kind: ReasonKind) -> Reason:
    (report,) = [each for each in plan.pools if each.pool == name]
    return next(each for each in report.reasons if each.kind is kind)


def test_the_cheapest_losses_go_as_many_as_the_missing_worker_needs() -> None:
    workers = [busy(1, 300), busy(2, 10), busy(3, 60), idle(4, SPOT, 1)]
    plan = plan_of(seen_of(workers, short()))
    assert sorted(gone(plan)) == [
        "cheap-0-2",
        "cheap-0-4",
    ]  # 8 + 8 cores for 16; one idle, one that began last
    drain = next(each for each in drains(plan) if each.worker == "cheap-0-2")
    evidence = dict(drain.reason.evidence)
    assert (evidence["pool"], evidence["missing"], evidence["live_attempts"]) == ("fixed", 1, 1)
    assert evidence["flips"]
    assert "2 spot workers are drained" in of(plan, "fixed", ReasonKind.PREEMPTED).text


def test_nothing_is_preempted_without_need() -> None:
    workers = [busy(1, 10), busy(2, 10)]
    assert gone(plan_of(seen_of(workers))) == []  # nothing has failed
    assert (
        gone(
            plan_of(
                seen_of(
                    workers,
                    short(),
                    of=replace(PERMANENT, scale_up=replace(PERMANENT.scale_up, preempts_spot=False)),
                )
            )
        )
        == []
    )
    assert (
        gone(
            plan_of(
                seen_of(workers, short(), of=replace(PERMANENT, size=replace(PERMANENT.size, min_workers=0)))
            )
        )
        == []
    )
    assert gone(plan_of(seen_of([*workers, worker(9, PERMANENT)], short()))) == []
    assert gone(plan_of(seen_of(workers, short(cause=FailureCause.INVALID_REQUEST)))) == []
    assert gone(plan_of(seen_of(workers, short(), spot=replace(SPOT, frozen=True)))) == []


def test_only_spot_of_the_same_driver_and_zone_goes() -> None:
    on_demand = pool("cheap", template("spot", 8))
    assert (
        gone(plan_of(seen_of([busy(1, 10, on_demand), busy(2, 10, on_demand)], short(), spot=on_demand)))
        == []
    )
    elsewhere = replace(SPOT, driver="other")
    assert (
        gone(plan_of(seen_of([busy(1, 10, elsewhere), busy(2, 10, elsewhere)], short(), spot=elsewhere)))
        == []
    )
    here = replace(PERMANENT, templates=(template("big", 16, zones=(Zone(name="a"),)),))
    zones = pool(
        "cheap",
        template("spot", 16, spot=SpotUse.YES, zones=(Zone(name="a"), Zone(name="b"))),
        disruption_budget=5,
    )
    a, b = (offer for offer in offers_of(zones.templates[0]))
    workers = [busy(1, 10, zones, made=b), busy(2, 90, zones, made=a)]
    assert gone(plan_of(seen_of(workers, short(here), of=here, spot=zones))) == ["cheap-0-2"]


def test_what_makes_no_room_for_one_is_left_alone_and_that_is_said() -> None:
    plan = plan_of(seen_of([busy(1, 10)], short()))
    assert gone(plan) == []
    assert (
        "The spot workers that may be drained would not free enough capacity"
        in of(plan, "fixed", ReasonKind.PREEMPTED).text
    )


def test_budgets_of_the_spot_pool_hold_for_those_that_work() -> None:
    spot = replace(SPOT, scale_down=replace(SPOT.scale_down, disruption_budget=1))
    workers = [busy(1, 10), busy(2, 20), idle(3, spot, 1)]
    assert sorted(gone(plan_of(seen_of(workers, short(), spot=spot)))) == ["cheap-0-1", "cheap-0-3"]
    assert gone(plan_of(seen_of(workers[:2], short(), spot=spot))) == []


def test_what_drains_already_counts() -> None:
    workers = [busy(1, 10, state=WorkerState.DRAINING), busy(2, 10, state=WorkerState.DRAINING), busy(3, 10)]
    plan = plan_of(seen_of(workers, short()))
    assert gone(plan) == []
    assert "Spot workers being drained free 16 CPU" in of(plan, "fixed", ReasonKind.PREEMPTED).text


def test_the_spot_pool_does_not_take_the_room_back_until_the_minimum_is_there() -> None:
    workers = [busy(1, 10), busy(2, 10)]
    plan = plan_of(seen_of(workers, short(), jobs=3))
    assert [each.spec.pool for each in creations(plan)] == []
    assert plan.unplaced[0].reason.kind is ReasonKind.YIELDS
    asked = plan_of(seen_of([*workers, worker(9, PERMANENT, state=WorkerState.REQUESTED)], short(), jobs=3))
    assert (creations(asked), gone(asked)) == ([], [])  # it may still be refused
    there = plan_of(seen_of([*workers, worker(9, PERMANENT, state=WorkerState.JOINING)], short(), jobs=3))
    assert {each.spec.pool for each in creations(there)} == {"cheap"}
    prefers = pool("cheap", template("spot", 8, spot=SpotUse.PREFER), disruption_budget=5)
    assert creations(plan_of(seen_of([], short(), spot=prefers, jobs=3))) == []


def test_while_one_is_tried_nobody_else_goes() -> None:
    """The room that was made is for that one; whether it was enough is seen first."""
    plan = plan_of(seen_of([busy(1, 10), busy(2, 10)], short().due(), jobs=3))
    assert gone(plan) == []
    assert [each.spec.pool for each in creations(plan)] == ["fixed"]


def test_when_it_does_not_help_it_ends() -> None:
    workers = [busy(1, 10), busy(2, 10)]
    assert len(gone(plan_of(seen_of(workers, short(times=3))))) == 2
    plan = plan_of(seen_of(workers, short(times=4)))
    assert gone(plan) == []
    assert "no more" in of(plan, "fixed", ReasonKind.PREEMPTED).text


def test_a_memory_that_is_due_is_tried_now_and_forgets_nothing() -> None:
    memory = short(times=3).due()
    assert (memory.failed_in_row, memory.cause) == (3, FailureCause.OUT_OF_CAPACITY)
    plan = plan_of(seen_of([], memory))
    assert [OfferName(each.spec.template) for each in creations(plan)] == [OfferName("big")]


def test_drains_of_this_kind_are_drains() -> None:
    plan = plan_of(seen_of([idle(1, SPOT, 1), idle(2, SPOT, 1)], short()))
    assert all(isinstance(action, DrainWorker) for action in plan.actions)
    assert len(gone(plan)) == 2
