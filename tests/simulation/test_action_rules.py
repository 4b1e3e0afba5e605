"""The rules of actions of alerts: a server that keeps them breaks none, and one that does not is found."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from herder.control.alerts.actions import Actions
from herder.engine.memory.restrictions import Restrictions
from herder.ledger.alerts.documented import COMPUTE, CPU_HOUR, TOKEN_BUDGET
from herder.model.stored.changes import Changes
from herder.model.work.alerts import AlertRules
from herder.simulate.chaos import World
from herder.simulate.chaos.rules.action_rules import END, NOT_STARTED, WITHIN_THROTTLE, ActionRules
from herder.simulate.chaos.rules.job_rules import JobRules
from tests.alerts.test_actions import LONG, budget_of_ann, play

BUDGETS = {"of-ann": {"scope": "user", "of": "ann"}}


def found_in(monkeypatch: pytest.MonkeyPatch, used: dict[str, int]) -> set[str]:
    """The rules that are broken while jobs of low priority come, and at rest after it."""
    broken: set[str] = set()

    async def story(world: World) -> None:
        rows = JobRules()
        rules = ActionRules(rows, BUDGETS, AlertRules())

        def committed(changes: Changes) -> None:
            broken.update(rule for rule, _ in rows.look(changes))
            broken.update(rule for rule, _ in rules.look(changes))

        world.written.append(committed)
        await budget_of_ann(world)
        await asyncio.sleep(60)
        for _ in range(8):
            await world.people.submit(**LONG, priority=-1)
            await world.people.submit(user="bob", **LONG, priority=1)
        await asyncio.sleep(300)
        used.update(dict.fromkeys(used, 0))
        await asyncio.sleep(60)
        broken.update(rule for rule, _ in rules.at_rest())

    play(story, monkeypatch, used)
    return broken


def lets_all_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Restrictions, "withheld", lambda *_: [])


def never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = Actions._in_force
    ever: dict[Any, Any] = {}

    def in_force(actions: Actions, now_ms: int) -> Any:
        ever.update(begun(actions, now_ms))
        return iter(ever.items())

    monkeypatch.setattr(Actions, "_in_force", in_force)


def is_right(_monkeypatch: pytest.MonkeyPatch) -> None:
    pass


@pytest.mark.parametrize(
    ("used", "fault", "broken"),
    [
        ({TOKEN_BUDGET.id: 90}, is_right, set()),
        ({TOKEN_BUDGET.id: 100}, is_right, set()),
        ({COMPUTE.id: 240 * CPU_HOUR}, is_right, set()),
        ({TOKEN_BUDGET.id: 90}, lets_all_start, {NOT_STARTED}),
        ({COMPUTE.id: 240 * CPU_HOUR}, lets_all_start, {WITHIN_THROTTLE}),
        ({TOKEN_BUDGET.id: 90}, never_ends, {END}),
    ],
)
def test_what_breaks_a_rule_is_found(
    monkeypatch: pytest.MonkeyPatch,
    used: dict[str, int],
    fault: Callable[[pytest.MonkeyPatch], None],
    broken: set[str],
) -> None:
    fault(monkeypatch)
    assert found_in(monkeypatch, dict(used)) == broken
