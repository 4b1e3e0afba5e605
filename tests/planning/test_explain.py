"""Why a job waits: the binding reason first, and the same story as the plan."""

from dataclasses import replace

from hypothesis import given, settings

from herder.decide.explain import why_not_feasible, why_waiting
from herder.decide.planner import decide
from herder.model.ids import ClassId, UserName
from herder.model.observed import Observed, PoolHistory
from herder.model.plan import Reason, ReasonKind
from herder.model.worker import WorkerState
from tests.planning.world import NOW, cores, observed, pool, queued, worker, worlds

STD = pool(max_workers=2)
FULL = [worker(n, STD, free=cores(0), live_attempts=1) for n in range(2)]


def why(world: Observed, class_id: int = 1) -> tuple[Reason, ...]:
    job_class = next(item.job_class for item in world.queued if item.class_id == class_id)
    return why_waiting(ClassId(class_id), job_class, world, NOW)


def kinds(reasons: tuple[Reason, ...]) -> list[ReasonKind]:
    return [reason.kind for reason in reasons]


def test_a_full_fleet_at_its_maximum() -> None:
    reasons = why(observed([STD], FULL, [queued(1, 5)]))
    assert kinds(reasons) == [ReasonKind.AT_MAXIMUM, ReasonKind.AT_MAXIMUM]
    assert reasons[0].text.startswith("5 of 5 such jobs have no place")


def test_a_worker_is_on_its_way() -> None:
    coming = worker(1, STD, state=WorkerState.PROVISIONING)
    reasons = why(observed([STD], [coming], [queued(1, 5)]))
    assert reasons[0].kind is ReasonKind.IN_FLIGHT
    assert ("oldest_requested_at_ms", coming.requested_at_ms) in reasons[0].evidence


def test_the_next_plan_makes_a_worker() -> None:
    assert kinds(why(observed([STD], [], [queued(1, 5)])))[0] is ReasonKind.QUEUED_JOBS


def test_a_cooldown_holds_it() -> None:
    std = replace(STD, scale_up_cooldown_s=60.0)
    world = observed([std], [], [queued(1, 5)], {"std": PoolHistory(last_grown_at_ms=NOW - 1)})
    assert kinds(why(world))[0] is ReasonKind.COOLDOWN


def test_what_is_ahead_and_who_shares() -> None:
    bob = UserName("bob")
    queue = [
        queued(1, 5, at=NOW),
        queued(2, 7, at=NOW - 1),
        queued(3, 11, at=NOW + 1),
        queued(4, 13, priority=3, user=bob),
        queued(5, 17, user=bob),
        queued(6, 19, pool="elsewhere", priority=9),
    ]
    reasons = {reason.kind: dict(reason.evidence) for reason in why(observed([STD], FULL, queue))}
    assert reasons[ReasonKind.AHEAD_IN_QUEUE] == {"more_urgent": 13, "older_of_user": 7}
    assert reasons[ReasonKind.FAIR_SHARE] == {"users": 1, "jobs": 17}


def test_what_can_never_run_is_told_so() -> None:
    world = observed([STD], FULL, [queued(1, 5, cores(99))])
    assert kinds(why(world))[0] is ReasonKind.NOTHING_FITS
    assert "short of" in why(world)[0].text
    assert why_not_feasible(world.queued[0].job_class, world) is not None


def test_what_was_not_seen_or_waits_no_more() -> None:
    world = observed([STD], FULL, [queued(1, 5)])
    assert kinds(why(replace(world, workers_as_of_ms=None))) == [ReasonKind.WAITING_ON_OBSERVATION]
    gone = why_waiting(ClassId(9), world.queued[0].job_class, world, NOW)
    assert kinds(gone) == [ReasonKind.NO_DEMAND]


@settings(max_examples=50)
@given(worlds())
def test_there_is_always_an_answer_and_it_agrees_with_the_plan(world: Observed) -> None:
    unplaced = {demand.class_id: demand.reason.kind for demand in decide(world, NOW).unplaced}
    for item in world.queued:
        reasons = why(world, item.class_id)
        assert reasons
        assert all(reason.text and reason.evidence for reason in reasons)
        if item.class_id in unplaced:
            assert reasons[0].kind is unplaced[item.class_id]
