"""A step of planning that raises for one pool: that pool is left unchanged, the plan says so, and other pools are planned."""

from typing import Any

import pytest

from herder.decide.plan import report
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.scaling import limits, snapshot
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.offers import zones
from herder.decide.scaling.scale_down import expired_and_surplus
from herder.decide.scaling.signals import pressure
from herder.model.fleet.pool import Zone
from herder.model.fleet.pressure import Pressure
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Plan, Reason, ReasonKind
from tests.planning.world import NOW, cores, creations, drains, idle, observed, pool, queued, template

pytestmark = pytest.mark.failing_trigger

BROKEN = "broken"


def in_broken(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    """It raises for the pool `broken` and does its work for others."""
    usual = getattr(module, name)

    def step(view: Any, *rest: Any, **more: Any) -> Any:
        if getattr(view, "spec", view).name == BROKEN:
            raise ValueError("no such figure")
        return usual(view, *rest, **more)

    monkeypatch.setattr(module, name, step)


def seen() -> Observed:
    """The pool has a worker past its ttl, one that is idle for long, and jobs of its own."""
    of = pool(BROKEN, idle_timeout_s=60.0, min_workers=3, max_workers=9)
    workers = [idle(1, of, expires_at_ms=NOW - 1), idle(2, of)]
    return observed([of, pool("other", min_workers=1)], workers, [queued(1, 40, cores(1), pool=BROKEN)])


def failed(plan: Plan, name: str) -> list[Reason]:
    (mine,) = (each for each in plan.pools if each.pool == name)
    return [reason for reason in mine.reasons if reason.kind is ReasonKind.TRIGGER_FAILED]


@pytest.mark.parametrize(
    ("module", "name", "step"),
    [
        (limits, "growth_limit", "limits"),
        (expired_and_surplus, "must_leave", "removals"),
        (snapshot, "in_force", "snapshot"),
    ],
)
def test_a_pool_without_a_step_is_left_unchanged(
    module: object, name: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_broken(monkeypatch, module, name)
    before = seen()
    plan = decide(before, NOW)
    assert not check_plan(before, plan)
    assert [each.spec.pool for each in creations(plan)] == ["other"]
    assert not drains(plan)
    said = failed(plan, BROKEN)
    assert any(
        f"Planning step {step} of pool broken failed (ValueError: no such figure)" in each.text
        for each in said
    )
    assert all(dict(each.evidence)["trigger"] == step for each in said)
    assert not failed(plan, "other")
    assert decide(before, NOW) == plan


def test_without_zones_workers_are_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "_evenly", lambda *_: 1 / 0)
    of = pool("std", template(zones=(Zone(name="a"), Zone(name="b"))))
    plan = decide(observed([of], [], [queued(1, 40)]), NOW)
    assert len(creations(plan)) == 3
    assert "Planning step zones of pool std failed" in failed(plan, "std")[0].text


def test_a_report_that_fails_says_so_and_changes_nothing_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = decide(seen(), NOW)
    monkeypatch.setattr(
        report, "_made", lambda creates: 1 / 0 if creates and creates[0].spec.pool == BROKEN else []
    )
    plan = decide(seen(), NOW)
    assert plan.actions == usual.actions
    assert "Planning step report of pool broken failed" in failed(plan, BROKEN)[0].text


def test_pressure_that_cannot_be_read_is_a_break_and_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    in_broken(monkeypatch, pressure, "_since")
    rule = Pressure(above=0.8)
    failures = Failures()
    found = pressure.pressed_since(
        observed([pool(BROKEN, cpu_pressure=rule), pool("other", cpu_pressure=rule)]), NOW, failures
    )
    assert found == {}
    ((name, reason),) = failures.all()
    assert name == BROKEN
    assert "Planning step pressure of pool broken failed" in reason.text
