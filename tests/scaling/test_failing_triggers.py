"""A trigger that raises: it makes no proposal, the plan says so, and every other pool and trigger goes on."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from herder.control.kernel.planner.trigger_faults import TOLD_MAX, TriggerFaults
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.plan.why_waiting import why_waiting
from herder.decide.scaling import triggers
from herder.decide.scaling.proposals import TriggerResult, WorkerRequest
from herder.decide.scaling.scale_down import idle as scale_down
from herder.decide.scaling.triggers import minimum, queued_jobs
from herder.model.ids import ClassId, PoolName
from herder.model.planning.plan import Plan, PoolReport, Reason, ReasonKind
from tests.planning.world import NOW, creations, drains, idle, observed, pool, queued

pytestmark = pytest.mark.failing_trigger

BROKEN = "broken"
WHY = Reason(kind=ReasonKind.REQUESTED, text="wanted")


def fails(*_: object) -> Any:
    raise ValueError("no such figure")


def report_of(plan: Plan, name: str) -> PoolReport:
    return next(report for report in plan.pools if report.pool == name)


def failed(plan: Plan, name: str) -> list[Reason]:
    return [reason for reason in report_of(plan, name).reasons if reason.kind is ReasonKind.TRIGGER_FAILED]


def trigger(**parts: Callable[..., Any]) -> SimpleNamespace:
    """One that looks at the pool `broken` alone."""
    usual = {
        "concerns": lambda spec: spec.name == BROKEN,
        "ask": lambda *_: TriggerResult(),
        "keeps": lambda *_: None,
    }
    return SimpleNamespace(__name__="toys.toy", **{**usual, **parts})


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"ask": fails}, id="ask raises"),
        pytest.param({"keeps": fails}, id="keeps raises"),
        pytest.param(
            {"concerns": lambda spec: fails() if spec.name == BROKEN else False}, id="concerns raises"
        ),
        pytest.param({"ask": lambda *_: None}, id="ask answers None"),
        pytest.param({"keeps": lambda *_: True}, id="keeps answers True"),
        pytest.param(
            {
                "ask": lambda *_: TriggerResult(
                    asks=(WorkerRequest(pool=PoolName(BROKEN), count=1.5, reason=WHY),)
                )
            },  # type: ignore[arg-type]
            id="half a worker",
        ),
        pytest.param(
            {
                "ask": lambda *_: TriggerResult(
                    asks=(WorkerRequest(pool=PoolName("other"), count=1, reason=WHY),)
                )
            },
            id="another pool",
        ),
    ],
)
def test_only_its_own_pool_goes_without_it(parts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "POOL_TRIGGERS", (trigger(**parts), *triggers.POOL_TRIGGERS))
    broken = pool(BROKEN, idle_timeout_s=60.0)
    other = pool("other", min_workers=2)
    seen = observed([broken, other], [idle(n, broken) for n in range(3)])
    plan = decide(seen, NOW)

    assert not check_plan(seen, plan)
    assert [each.spec.pool for each in creations(plan)] == ["other", "other"]
    assert not drains(plan), "what the trigger would have kept is not known, so nothing idle goes"
    (reason,) = failed(plan, BROKEN)
    assert "Trigger toy of pool broken failed" in reason.text
    assert not failed(plan, "other")
    assert decide(seen, NOW) == plan


def test_other_triggers_of_the_same_pool_still_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    more = trigger(
        ask=lambda *_: TriggerResult(asks=(WorkerRequest(pool=PoolName(BROKEN), count=2, reason=WHY),))
    )
    monkeypatch.setattr(triggers, "POOL_TRIGGERS", (trigger(ask=fails), more))
    plan = decide(observed([pool(BROKEN)]), NOW)
    assert len(creations(plan)) == 2
    assert failed(plan, BROKEN)


def test_the_minimum_fails_in_one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = minimum.ask
    monkeypatch.setattr(
        minimum, "ask", lambda view, *rest: fails() if view.spec.name == BROKEN else ask(view, *rest)
    )
    plan = decide(observed([pool(BROKEN, min_workers=1), pool("other", min_workers=1)]), NOW)
    assert [each.spec.pool for each in creations(plan)] == ["other"]
    assert failed(plan, BROKEN)


def test_demand_that_cannot_be_packed_is_unknown_and_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued_jobs, "ask", fails)
    busy = pool("busy", idle_timeout_s=60.0)
    job = queued(1, 5)
    seen = observed([busy, pool("other", min_workers=1)], [idle(1, busy)], [job])
    plan = decide(seen, NOW)
    assert not drains(plan)
    assert [each.spec.pool for each in creations(plan)] == ["other"]
    assert failed(plan, "busy")
    (why,) = why_waiting(ClassId(1), job.job_class, seen, NOW)
    assert "Trigger queued_jobs" in why.text


def test_scale_down_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_down, "idle", fails)
    spec = pool(BROKEN, idle_timeout_s=60.0)
    plan = decide(observed([spec], [idle(1, spec)]), NOW)
    assert not drains(plan)
    assert failed(plan, BROKEN)


def test_each_failure_is_told_once_and_counted_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter(range(10))

    def fails_anew(*_: object) -> Any:
        raise ValueError(f"at turn {next(turns)}")

    monkeypatch.setattr(triggers, "POOL_TRIGGERS", (trigger(ask=fails_anew),))
    faults, pools = TriggerFaults(), {PoolName(BROKEN)}
    plans = [decide(observed([pool(BROKEN)]), NOW) for _ in range(3)]
    assert [len(faults.note(plan, pools)) for plan in plans] == [1, 0, 0]
    assert faults.counts == {(BROKEN, "toy"): 3}
    assert not faults.note(replace(plans[0], pools=()), set())
    assert not faults.counts, "a pool that is gone is not counted for ever"


def test_what_was_told_is_bounded() -> None:
    faults = TriggerFaults()
    for number in range(TOLD_MAX + 5):
        name = PoolName(f"p{number}")
        facts = (("trigger", "toy"), ("error", "ValueError"), ("at", "x:1"))
        reason = Reason(kind=ReasonKind.TRIGGER_FAILED, text="failed", evidence=facts)
        report = PoolReport(pool=name, actual=0, in_flight=0, desired=0, queued_jobs=0, reasons=(reason,))
        plan = replace(decide(observed([pool()]), NOW), pools=(report,))
        assert len(faults.note(plan, {name})) == 1
    assert len(faults._told) == TOLD_MAX
