"""Why a job waits: the binding reason first, and the same story as the plan."""

from dataclasses import replace

from hypothesis import given, settings

from herder.decide.plan.planner import decide
from herder.decide.plan.why_waiting import Standing, why_not_feasible, why_waiting
from herder.model.fleet.offer import FailureCause, OfferKey, OfferMemory
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, UserName
from herder.model.planning.observed import Observed, PoolHistory
from herder.model.planning.plan import Reason, ReasonKind
from tests.planning.world import NOW, cores, observed, pool, queued, template, worker, worlds

STD = pool(max_workers=2)
FULL = [worker(n, STD, free=cores(0), live_attempts=1) for n in range(2)]


def why(world: Observed, class_id: int = 1) -> tuple[Reason, ...]:
    job_class = next(item.job_class for item in world.demand if item.class_id == class_id)
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
    std = replace(STD, scale_up=replace(STD.scale_up, cooldown_s=60.0))
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
    assert "which lacks" in why(world)[0].text
    assert why_not_feasible(world.demand[0].job_class, world) is not None


def test_what_was_not_seen_or_waits_no_more() -> None:
    world = observed([STD], FULL, [queued(1, 5)])
    assert kinds(why(replace(world, workers_as_of_ms=None))) == [ReasonKind.WAITING_ON_OBSERVATION]
    gone = why_waiting(ClassId(9), world.demand[0].job_class, world, NOW)
    assert kinds(gone) == [ReasonKind.NO_DEMAND]


def test_every_pool_that_binds_is_named() -> None:
    """Raising either maximum would help, so both are told."""
    other = pool("big", max_workers=1, default_eligible=True)
    full = [*FULL, worker(9, other, free=cores(0), live_attempts=1)]
    first = why(observed([STD, other], full, [queued(1, 5)]))[0]
    assert "std" in first.text
    assert "big" in first.text
    assert ("binding_pools", 2) in first.evidence


def test_what_users_hold_says_whose_turn_it_is() -> None:
    bob, cid = UserName("bob"), UserName("cid")
    queue = [queued(1, 5), queued(2, 5, user=bob), queued(3, 5, user=cid)]
    world = observed([STD], FULL, queue)
    holding = {
        UserName("ann"): Standing(weight=2, share=0.5),
        bob: Standing(weight=1, share=0.5),
        cid: Standing(weight=1, share=0.125),
    }
    reasons = why_waiting(ClassId(1), queue[0].job_class, world, NOW, holding=holding)
    shared = next(reason for reason in reasons if reason.kind is ReasonKind.FAIR_SHARE)
    assert dict(shared.evidence)["users_before"] == 1
    assert "ann uses 50% of the fleet with weight 2" in shared.text


@settings(max_examples=50)
@given(worlds())
def test_there_is_always_an_answer_and_it_agrees_with_the_plan(world: Observed) -> None:
    unplaced = {demand.class_id: demand.reason.kind for demand in decide(world, NOW).unplaced}
    for item in world.demand:
        reasons = why(world, item.class_id)
        assert reasons
        assert all(reason.text and reason.evidence for reason in reasons)
        if item.class_id in unplaced:
            assert reasons[0].kind is unplaced[item.class_id]


def test_a_pool_whose_fitting_template_rests_may_make_none_of_it() -> None:
    large, small = template("large", 32, 960), template("small", 4, 120)
    std = pool("std", large, small)
    key = OfferKey(pool=std.name, template="large", driver=std.driver)
    memory = OfferMemory(key=key).failed(FailureCause.OUT_OF_CAPACITY, NOW, requested_at_ms=NOW)
    jobs = queued(1, 2, cores(20))
    world = replace(observed([std], [], [jobs]), offers=(memory,))
    first, *_, last = why_waiting(jobs.class_id, jobs.job_class, world, NOW + 1)
    assert first.kind is last.kind is ReasonKind.OFFER_RESTING
    assert dict(last.evidence)["may_make"] == 0
    assert "flips" in dict(last.evidence)


def test_why_a_driver_is_frozen_is_said_once_whatever_pools_use_it() -> None:
    """Once in all that a job is told, however many pools could take it."""
    sentence = (
        "Driver gcp is frozen: its credentials were refused. Renew them, then run herder driver unfreeze gcp."
    )
    pools = [
        replace(pool(name), driver="gcp", frozen=True, driver_frozen=sentence) for name in ("a", "b", "c")
    ]
    reasons = why(observed([*pools, pool("d", max_workers=0)], [], [queued(1, 5)]))
    told = "\n".join(reason.text for reason in reasons)
    assert told.count("credentials were refused") == 1
    assert "Pool b has the same driver. Pool c has the same driver." in told
    assert (
        "Pool b can run it: 0 workers are ready, 0 are starting, and 0 more may be created now. Driver gcp is frozen."
        in told
    )
    assert ".;" not in told
