"""Where nothing is to do, a plan names the rule that keeps each worker: a person, a schedule, the minimum, a timeout, a cooldown, the limit."""

from dataclasses import replace

from herder.decide.plan.planner import decide
from herder.model.fleet.schedule import Schedule, Window
from herder.model.planning.observed import Observed, PoolHistory
from herder.model.planning.plan import Reason, ReasonKind
from tests.planning.world import MINUTE, NOW, idle, observed, pool


def reason_of(seen: Observed) -> Reason:
    plan = decide(seen, NOW)
    assert plan.empty
    (reason,) = plan.pools[0].reasons
    assert reason.kind is ReasonKind.NO_DEMAND
    return reason


def test_workers_of_a_schedule_and_by_hand_are_told_apart() -> None:
    of = pool(max_workers=9, idle_timeout_s=60.0)
    workers = [*(idle(n, of, 0.5) for n in range(2)), *(idle(n, of, manual=True) for n in range(2, 7))]
    schedule = Schedule(cron="0 8 * * *", min_workers=2, timezone="Europe/Zurich")
    window = Window(schedule=schedule, lead_from_ms=NOW - 2, start_ms=NOW - 1, end_ms=NOW + MINUTE)
    reason = reason_of(replace(observed([of], workers), windows=((of.name, (window,)),)))
    assert "7 workers exist" in reason.text
    assert "5 workers were requested by hand and stay until they expire or are removed." in reason.text
    assert "(schedule '0 8 * * *', Europe/Zurich)" in reason.text
    evidence = dict(reason.evidence)
    assert (evidence["manual"], evidence["min_workers"], evidence["cron"]) == (5, 2, "0 8 * * *")


def test_the_minimum_and_the_limit_are_named() -> None:
    of = pool(min_workers=2, max_workers=2, idle_timeout_s=60.0)
    text = reason_of(observed([of], [idle(n, of) for n in range(2)])).text
    assert "At least 2 workers are kept (min_workers)." in text
    assert "Pool std is at its limit: 2 of 2 workers exist." in text


def test_an_idle_worker_is_kept_for_its_timeout_or_for_the_cooldown() -> None:
    of = pool(idle_timeout_s=600.0, scale_down_cooldown_s=900.0)
    seen = observed([of], [idle(1, of, 5)])
    assert "1 idle worker is kept for at least another 300 s (idle_timeout)." in reason_of(seen).text
    cooling = replace(seen, history=((of.name, PoolHistory(last_shrunk_at_ms=NOW - MINUTE)),))
    assert "for at least another 840 s (scale-down cooldown)." in reason_of(cooling).text


def test_a_frozen_pool_says_that_alone() -> None:
    of = pool(frozen=True, min_workers=1)
    (reason,) = decide(observed([of], [idle(1, of)]), NOW).pools[0].reasons
    assert (reason.kind, reason.text) == (
        ReasonKind.FROZEN,
        "Pool std is frozen, and there is nothing to do.",
    )
