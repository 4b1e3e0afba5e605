"""Budgets through the real kernel and store: whatever is lost – a commit, an answer, a holder, the server – nothing is overspent, nothing leaks."""

import pytest
from sqlalchemy import Engine

from herder.control.budgets import leasing
from herder.control.budgets import settings as budget_settings
from herder.model.stored.changes import Changes
from herder.store.writing.retention import forget_leases
from tests.budgets.histories import QUANTUM, histories
from tests.budgets.worlds import HOUR_MS, World


async def test_no_fault_overspends_or_leaks(engine: Engine) -> None:
    await histories(engine, range(12))


@pytest.mark.slow
async def test_no_fault_overspends_or_leaks_in_many_histories(engine: Engine) -> None:
    await histories(engine, range(1_000, 1_030))


async def test_rows_of_ended_leases_are_deleted_and_what_they_cost_stays(engine: Engine) -> None:
    world = World(engine)
    changes, now = Changes(), world.clock.ms
    wanted = budget_settings.wanted(world.core, {"a": {"limit": "5"}}, now)
    budget_settings.change(world.core, changes, wanted, now, actor="user/ann")
    for name in ("one", "two", "three"):
        leasing.reserve(world.core, changes, "a", name, QUANTUM, now + HOUR_MS)
    leasing.settle(world.core, changes, "one", 7)
    leasing.settle(world.core, changes, "two", 8)
    await world.core.commit(changes)
    with engine.begin() as connection:
        assert forget_leases(connection, 0, before_ms=now, piece=1) is None, "not old enough"
        assert forget_leases(connection, 0, before_ms=now + 1, piece=1) == 0, "there may be more"
        assert forget_leases(connection, 0, before_ms=now + 1, piece=10) is None
    await world.crash()
    assert list(world.core.budgets.live) == ["three"]
    assert world.core.budgets.budgets["a"].used(now) == 15 + QUANTUM
    await world.close()
