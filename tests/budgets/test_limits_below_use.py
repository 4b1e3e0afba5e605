"""A limit below what was spent: refused by hand, left out at a start, and told with what the budget may use."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, select

from herder.control.budgets import settings as budget_settings
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.leases import BudgetError
from herder.model.stored.changes import Changes
from herder.store.rows.tables import events
from tests.budgets.test_deleted_budgets import put, spend
from tests.budgets.worlds import World

GIVEN: Mapping[str, Any] = {"a": {"limit": "5"}, "b": {"limit": "7"}}


async def test_a_start_leaves_out_what_is_spent_already_and_takes_the_rest(engine: Engine) -> None:
    world = World(engine)
    await put(world, {"a": {"limit": "10"}, "b": {"limit": "10"}})
    await spend(world, "a", 6 * 10**12)
    with pytest.raises(Conflict, match=r"Budget a has \$6.00 spent or reserved already; set at least that"):
        budget_settings.wanted(world.core, GIVEN, world.clock.ms)
    taken, kept = budget_settings.wanted_at_start(world.core, GIVEN, world.clock.ms)
    assert list(taken) == ["b"]
    assert [text.startswith("Budget a has $6.00 spent") for text in kept] == [True]
    budget_settings.change(world.core, changes := Changes(), taken, world.clock.ms, actor="herder")
    await world.core.commit(changes)
    with engine.connect() as connection:
        texts = connection.execute(select(events.c.text).where(events.c.object == "budget/b")).scalars().all()
    assert texts[-1] == "Budget b was updated: its limit is $7.00 in place of $10.00."
    await world.close()


async def test_what_was_moved_away_is_told_when_a_limit_is_too_low(engine: Engine) -> None:
    world = World(engine)
    await put(world, {"a": {"limit": "20"}})
    await spend(world, "a", 6 * 10**12)
    known = world.core.budgets.budgets["a"]
    moved = Budget(known.spec, -10 * 10**12, known.spans)
    lower = type(known.spec)(name="a", limit=12 * 10**12)
    text = (
        f"budget a has {6 * 10**12} spent or reserved already and may use {2 * 10**12} with this limit, its overage and what was moved; "
        "set more, or wait for leases to end"
    )
    with pytest.raises(BudgetError) as raised:
        world.core.budgets.check_change(moved, lower, world.clock.ms)
    assert str(raised.value) == text
    await world.close()


async def test_what_is_left_out_at_a_start_makes_no_circle_and_no_other_fault(engine: Engine) -> None:
    """Parent and child change places, and the child has spent more than its new limit, so it stays below its parent."""
    world = World(engine)
    await put(world, {"a": {"limit": "10"}, "b": {"limit": "8", "parent": "a"}})
    await spend(world, "b", 6 * 10**12)
    swapped = {"a": {"limit": "10", "parent": "b"}, "b": {"limit": "3", "parent": ""}}
    with pytest.raises(Invalid, match="Budgets are above themselves"):
        budget_settings.wanted_at_start(world.core, swapped, world.clock.ms)
    other_unit = {"b": {"limit": "8", "parent": "a", "period": "day"}}
    with pytest.raises(Conflict, match="exists with another period"):
        budget_settings.wanted_at_start(world.core, other_unit, world.clock.ms)
    await world.close()
