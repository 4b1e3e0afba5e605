"""The trigger of docs/how-to/add-a-trigger.md: a module and a name in one list, and all of the planner heeds it."""

import re
import types
from dataclasses import replace
from pathlib import Path

import pytest

from herder.decide.plan.planner import decide
from herder.decide.scaling import triggers
from herder.model.planning.plan import CreateWorker, DrainWorker, ReasonKind
from tests.planning.world import MINUTE, NOW, applied, observed, pool, worker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "add-a-trigger.md"
LABEL = "team-size"


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    team = types.ModuleType("team")
    exec(compile(text, str(PAGE), "exec"), team.__dict__)  # noqa: S102 - it is our own page
    monkeypatch.setattr(triggers, "POOL_TRIGGERS", (*triggers.POOL_TRIGGERS, team))


SPEC = replace(
    pool(),
    labels=((LABEL, "3"),),
    size=replace(pool().size, max_workers=10),
    scale_down=replace(pool().scale_down, idle_timeout_s=60.0),
)


def test_it_makes_workers_once() -> None:
    seen = observed([SPEC])
    plan = decide(seen, NOW)
    assert [action.reason.kind for action in plan.actions if isinstance(action, CreateWorker)] == [
        ReasonKind.REQUESTED
    ] * 3
    assert decide(applied(seen, plan), NOW).empty


def test_scale_down_leaves_it_its_workers_and_says_for_what() -> None:
    idle = [worker(number, SPEC, idle_since_ms=NOW - 60 * MINUTE) for number in range(5)]
    plan = decide(observed([SPEC], idle), NOW)
    assert sum(isinstance(action, DrainWorker) for action in plan.actions) == 2
    assert any("3 people" in reason.text for reason in plan.pools[0].reasons)


def test_a_pool_that_does_not_ask_for_it_is_left_alone() -> None:
    assert decide(observed([pool()]), NOW).empty


def test_a_label_that_is_no_number_is_told_and_stops_nothing() -> None:
    wrong, other = replace(SPEC, labels=((LABEL, "three"),)), pool("other", min_workers=1)
    plan = decide(observed([wrong, other]), NOW)
    assert [action.spec.pool for action in plan.actions if isinstance(action, CreateWorker)] == ["other"]
    told = next(report for report in plan.pools if report.pool == wrong.name)
    assert any("is not a number" in reason.text for reason in told.reasons)


def test_the_planner_heeds_maximum_and_freeze() -> None:
    many = replace(SPEC, labels=((LABEL, "30"),))
    made = decide(observed([many]), NOW).actions
    assert len(made) <= many.size.max_workers
    assert decide(observed([replace(many, frozen=True)]), NOW).actions == ()
