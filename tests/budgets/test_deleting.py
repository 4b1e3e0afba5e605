"""A budget that is deleted while something is reserved in it: nothing new is paid, and it is gone when its last lease has ended, whatever dies meanwhile."""

import pytest
from sqlalchemy import Engine

from herder.control.budgets import deleting, leasing, moving
from herder.control.budgets import settings as budget_settings
from herder.control.budgets.views import budget_view
from herder.control.kernel.bounds.errors import Conflict
from herder.ledger.budgets.leases import BudgetError
from herder.model.stored.changes import Changes
from herder.wire.api.budgets import BudgetAsk, TransferCreate
from tests.budgets.test_deleted_budgets import ANN, delete, put
from tests.budgets.worlds import HOUR_MS, MINUTE_MS, World, picture


async def reserve(world: World, name: str = "a", minutes: int = 30) -> None:
    changes = Changes()
    leasing.reserve(world.core, changes, name, "one", 5, world.clock.ms + minutes * MINUTE_MS)
    await world.core.commit(changes)


async def look(world: World) -> None:
    """Of the loop of budgets."""
    changes = Changes()
    leasing.expire(world.core, changes, world.clock.ms)
    deleting.finish(world.core, changes, world.clock.ms)
    await world.core.commit(changes)


def kinds(changes: Changes) -> list[str]:
    return [each.kind for rows in changes.rows.values() for each in rows.values() if hasattr(each, "kind")]


async def test_it_is_gone_when_its_lease_has_ended_also_after_restarts(engine: Engine) -> None:
    world = World(engine)
    await put(world, {"top": {"limit": "100"}, "a": {"limit": "10", "parent": "top"}})
    await reserve(world)
    await delete(world, "a")
    before = picture(world.core.budgets, world.clock.ms)
    await world.crash()
    assert picture(world.core.budgets, world.clock.ms) == before
    budget = world.core.budgets.budgets["a"]
    assert budget.deleting
    shown = budget_view(world.core, budget, {})
    assert (shown.state, shown.leases, shown.gone_at) == ("deleting", 1, "2026-11-01T00:30:00.000Z")
    with pytest.raises(BudgetError, match="a is being deleted and pays for nothing new"):
        leasing.reserve(world.core, Changes(), "a", "two", 1, world.clock.ms + HOUR_MS)
    with pytest.raises(BudgetError, match="a is being deleted"):
        leasing.renew(world.core, Changes(), "one", 1, 2, 3, world.clock.ms + HOUR_MS)
    await look(world)
    assert "a" in world.core.budgets.budgets, "its lease lives"
    world.clock.ms += HOUR_MS
    await look(world)
    await world.crash()
    assert sorted(world.core.budgets.budgets) == ["top"]
    assert world.core.budgets.budgets["top"].used(world.clock.ms) == 5, "what was spent stays"
    await put(world, {"a": {"limit": "10", "parent": "top"}})
    assert world.core.budgets.budgets["a"].used(world.clock.ms) == 5
    await world.close()


async def test_a_deletion_is_cancelled_by_hand_and_by_a_file_that_names_the_budget(engine: Engine) -> None:
    world = World(engine)
    given = {"a": {"limit": "10", "scope": "pool", "of": "p"}}
    await put(world, given)
    await reserve(world)
    for again in (True, False):
        await delete(world, "a")
        assert leasing.budget_of_pool(world.core, "p") is None, "it limits nothing now"
        changes = Changes()
        if again:
            wanted = budget_settings.wanted(world.core, given, world.clock.ms)
            assert budget_settings.differences(world.core, wanted) == {"budgets.a.deleting": (True, False)}
            budget_settings.change(world.core, changes, wanted, world.clock.ms, actor="user/ann")
        else:
            deleting.keep(world.core, ANN, "a", changes, world.clock.ms)
        assert "budget.kept" in kinds(changes)
        await world.core.commit(changes)
        await world.crash()
        assert leasing.budget_of_pool(world.core, "p") == "a"
    with pytest.raises(Conflict, match="is not being deleted"):
        deleting.keep(world.core, ANN, "a", Changes(), world.clock.ms)
    await world.close()


async def test_nothing_moves_to_it_and_nothing_is_put_below_it(engine: Engine) -> None:
    world = World(engine)
    await put(world, {"a": {"limit": "10"}, "b": {"limit": "10"}})
    await reserve(world)
    await delete(world, "a")
    now = world.clock.ms
    with pytest.raises(Conflict, match="a is being deleted, so nothing moves"):
        moving.request(world.core, ANN, "a", BudgetAsk(amount="1", reason="r"), Changes(), now)
    body = TransferCreate(source="a", target="b", amount="1", reason="r")
    with pytest.raises(Conflict, match="a is being deleted"):
        moving.reallocate(world.core, ANN, body, Changes(), now)
    with pytest.raises(Conflict, match="Budget a, the parent of budget c, is being deleted"):
        budget_settings.wanted(world.core, {"c": {"limit": "1", "parent": "a"}}, now)
    await world.close()


async def test_what_was_given_for_every_period_is_taken_back_first(engine: Engine) -> None:
    world = World(engine)
    await put(world, {"a": {"limit": "10"}, "b": {"limit": "10"}})
    changes, now = Changes(), world.clock.ms
    for lasting in (True, False):
        body = TransferCreate(source="b", target="a", amount="1", reason="r", temporary=not lasting)
        moving.reallocate(world.core, ANN, body, changes, now)
    with pytest.raises(Conflict, match=r"budget b gave it in transfer 1.*take-back 1"):
        deleting.delete(world.core, ANN, "a", changes, now)
    assert "a" in world.core.budgets.budgets
    lasting_one = world.core.budgets.transfers.pop(1)
    told = deleting.delete(world.core, ANN, "a", changes, now)
    assert lasting_one.lasting
    assert (
        told.text == "Budget a was deleted by ann. What was moved to it does not go back: $1.00 of budget b."
    )
    await world.close()
