"""A budget that is deleted leaves nothing behind that a server cannot read at its next start."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from herder.control.budgets import leasing, moving
from herder.control.budgets import settings as budget_settings
from herder.control.budgets.commands import BudgetCommands
from herder.ledger.budgets.transfer import TransferState
from herder.model.ids import UserName
from herder.model.permissions import Principal, Role
from herder.model.stored.changes import Changes
from herder.store.rows.budget_tables import budget_transfers
from herder.wire.api.budgets import BudgetAsk
from tests.budgets.worlds import DAY_MS, MINUTE_MS, World, picture

ANN = Principal(user=UserName("ann"), role=Role.ADMINISTRATOR)


async def put(world: World, given: Mapping[str, Any]) -> None:
    changes = Changes()
    wanted = budget_settings.wanted(world.core, given, world.clock.ms)
    budget_settings.change(world.core, changes, wanted, world.clock.ms, actor="user/ann")
    await world.core.commit(changes)


async def delete(world: World, name: str) -> None:
    changes, commands = Changes(), BudgetCommands()
    commands._core = world.core
    commands.delete_budget(ANN, name, changes, world.clock.ms)
    await world.core.commit(changes)


async def request(world: World, name: str) -> None:
    changes = Changes()
    moving.request(world.core, ANN, name, BudgetAsk(amount="1", reason="r"), changes, world.clock.ms)
    await world.core.commit(changes)


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(budget_transfers.c.state)).scalars())


async def repay(world: World) -> None:
    changes = Changes()
    moving.repay(world.core, changes, world.clock.ms)
    await world.core.commit(changes)


@pytest.mark.parametrize("written", [True, False])
async def test_a_server_starts_after_a_budget_with_a_granted_request_was_deleted(
    engine: Engine, written: bool
) -> None:
    world = World(engine)
    await put(world, {"a": {"limit": "10"}, "b": {"limit": "10"}})
    await request(world, "a")
    await delete(world, "a")
    assert states(engine) == [TransferState.OVER]
    if not written:  # by a server that did not write it
        with engine.begin() as connection:
            connection.execute(update(budget_transfers).values(state=TransferState.GRANTED.value))
    await world.crash()
    assert world.core.budgets.transfers == {}
    await repay(world)
    await world.close()


async def test_what_is_forgotten_with_its_period_stays_forgotten(engine: Engine) -> None:
    world = World(engine)
    await put(world, {"a": {"limit": "10", "period": "day"}})
    await request(world, "a")
    world.clock.ms += DAY_MS
    await repay(world)
    assert states(engine) == [TransferState.OVER]
    await world.crash()
    assert world.core.budgets.transfers == {}
    await world.close()


async def spend(world: World, name: str, cost: int) -> None:
    changes = Changes()
    leasing.reserve(world.core, changes, name, f"{name}{cost}", cost, world.clock.ms + MINUTE_MS)
    leasing.settle(world.core, changes, f"{name}{cost}", cost)
    await world.core.commit(changes)


@pytest.mark.parametrize("period", ["once", "month", "day", "rolling 24h"])
@pytest.mark.parametrize("restarted", [True, False])
async def test_a_budget_that_is_created_again_has_spent_what_it_had_and_has_so_after_a_restart(
    engine: Engine, period: str, restarted: bool
) -> None:
    world = World(engine)
    given = {"a": {"limit": "10", "period": period, "parent": "top"}}
    await put(world, {"top": {"limit": "100"}})
    await put(world, given)
    await spend(world, "a", 7)
    await request(world, "a")
    await delete(world, "a")
    await delete(world, "top")
    if restarted:
        await world.crash()
    await put(world, {"top": {"limit": "100"}})
    await put(world, given)
    budget = world.core.budgets.budgets["a"]
    assert (budget.used(world.clock.ms), budget.limit(world.clock.ms)) == (7, 10 * 10**12)
    before = picture(world.core.budgets, world.clock.ms)
    await world.crash()
    assert picture(world.core.budgets, world.clock.ms) == before
    await world.close()


@pytest.mark.parametrize(
    "other", [{"unit": "tokens"}, {"period": "day"}, {"period": "rolling 48h"}, {"timezone": "Asia/Tokyo"}]
)
async def test_one_of_another_unit_or_period_has_spent_nothing_also_after_a_restart(
    engine: Engine, other: dict[str, str]
) -> None:
    world = World(engine)
    for period in ("month", "rolling 24h"):
        await put(world, {"a": {"limit": "10", "period": period}})
        await spend(world, "a", 7)
        await delete(world, "a")
        await put(world, {"a": {"limit": "10", "period": period, **other}})
        assert world.core.budgets.budgets["a"].used(world.clock.ms) == 0
        await world.crash()
        assert world.core.budgets.budgets["a"].used(world.clock.ms) == 0
        await delete(world, "a")
    await world.close()
