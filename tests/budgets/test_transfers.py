"""What moves between budgets: never more than is there, repaid day by day, taken back as far as it is unused, and no limit is passed by moving."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest

from herder.ledger.budgets import transfers
from herder.ledger.budgets.leases import BudgetError, Lease, Leases, Refused, broken
from herder.ledger.budgets.spec import BudgetSpec, Every, Period, Unit
from herder.ledger.budgets.transfer import Transfer, TransferKind, TransferState
from tests.budgets.worlds import DAY_MS, HOUR_MS, MINUTE_MS, NOVEMBER_MS
from tests.support.budgets import books_balance, budgets

DAILY = Period(Every.DAY)
NOON = NOVEMBER_MS + 12 * HOUR_MS


def tree(**more: object) -> Leases:
    def daily(name: str, limit: int, parent: str = "") -> BudgetSpec:
        return BudgetSpec(
            name=name, limit=limit, parent=parent, unit=Unit.TOKENS, period=DAILY, **more  # type: ignore[arg-type]
        )  # fmt: skip

    return budgets(
        daily("org", 1_000), daily("east", 500, "org"), daily("west", 500, "org"), daily("a", 300, "east"),
        daily("b", 200, "east"), daily("c", 500, "west"), daily("contingency", 100), now_ms=NOON,
    )  # fmt: skip


def move(state: Leases, source: str, target: str, amount: int, **more: object) -> Transfer:
    each = Transfer(
        state.next_transfer, TransferKind.REALLOCATION, source, target, amount, "r", False, 0, "ann", NOON
    )._replace(**more)  # type: ignore[arg-type]
    done = transfers.grant(state, each, "coo", NOON)
    assert isinstance(done, Transfer), done
    return done


def lefts(state: Leases, now_ms: int = NOON) -> dict[str, int | None]:
    return {name: each.left(now_ms) for name, each in state.budgets.items()}


def use(state: Leases, name: str, amount: int, now_ms: int = NOON) -> Lease | Refused:
    found = state.reserve(f"{name}{now_ms}", [name], amount, now_ms + MINUTE_MS, now_ms)
    state.settle(f"{name}{now_ms}", amount, now_ms)
    return found


def test_a_move_changes_both_sides_up_to_what_is_above_both() -> None:
    state = tree()
    move(state, "a", "b", 50)
    assert lefts(state) == {
        "org": 1_000,
        "east": 500,
        "west": 500,
        "a": 250,
        "b": 250,
        "c": 500,
        "contingency": 100,
    }
    move(state, "c", "b", 100)
    assert lefts(state) == {
        "org": 1_000,
        "east": 600,
        "west": 400,
        "a": 250,
        "b": 350,
        "c": 400,
        "contingency": 100,
    }
    move(state, "contingency", "a", 100)
    assert (lefts(state)["org"], lefts(state)["east"], lefts(state)["a"]) == (1_100, 700, 350)


def test_no_more_moves_than_is_left_and_nothing_changes_then() -> None:
    state = tree()
    use(state, "a", 280)
    before = lefts(state)
    asked = Transfer(1, TransferKind.REALLOCATION, "a", "b", 21, "r", False, 0, "ann", NOON)
    assert transfers.grant(state, asked, "coo", NOON) == Refused("a", 20)
    assert lefts(state) == before
    assert not state.transfers


def test_what_is_lent_is_repaid_in_seven_daily_parts() -> None:
    state = tree()
    done = move(state, "a", "b", 100, repay_days=7)
    assert (state.budgets["a"].limit(NOON), state.budgets["b"].limit(NOON)) == (200, 300)
    parts = []
    for day in range(1, 10):
        now_ms = NOVEMBER_MS + day * DAY_MS + HOUR_MS
        parts += [part for _, part in transfers.repay(state, now_ms)]
        owed = parts[day - 1] if day <= 7 else 0
        assert state.budgets["a"].limit(now_ms) == 300 + owed
        assert state.budgets["b"].limit(now_ms) == 200 - owed
    assert parts == [15, 15, 14, 14, 14, 14, 14]
    assert sum(parts) == 100
    assert done.number not in state.transfers


def test_a_server_that_was_away_makes_up_for_the_days_and_nobody_repays_what_is_not_there() -> None:
    state = tree()
    move(state, "a", "b", 100, repay_days=7)
    monday = NOVEMBER_MS + DAY_MS + HOUR_MS
    use(state, "b", 195, monday)
    assert [part for _, part in transfers.repay(state, monday)] == [5], "only so much was left"
    later = NOVEMBER_MS + 5 * DAY_MS + HOUR_MS
    parts = [part for _, part in transfers.repay(state, later)]
    assert len(parts) == 4
    end = NOVEMBER_MS + 30 * DAY_MS
    parts += [part for _, part in transfers.repay(state, end)]
    assert 5 + sum(parts) == 100
    assert not state.transfers
    assert broken(state, end) == []


def test_what_is_granted_is_taken_back_as_far_as_it_is_unused() -> None:
    state = tree()
    first = move(state, "a", "b", 50)
    use(state, "b", 220)
    assert transfers.take_back(state, first, "coo", NOON) == Refused("b", 30)
    second = move(state, "c", "b", 30, lasting=True)
    back = transfers.take_back(state, second, "coo", NOON + 40 * DAY_MS)
    assert isinstance(back, Transfer)
    assert back.state is TransferState.TAKEN_BACK
    assert state.budgets["b"].limit(NOON + 40 * DAY_MS) == 200
    with pytest.raises(BudgetError, match="period that is over"):
        transfers.take_back(state, first, "coo", NOON + DAY_MS)
    with pytest.raises(BudgetError, match="only a granted one"):
        transfers.take_back(state, back, "coo", NOON)


def test_siblings_lend_what_they_have_not_used_within_their_limit() -> None:
    state = tree(borrow=True, lending_percent=25)
    assert transfers.lendable(state, state.budgets["a"], NOON) == 75
    loans = transfers.borrow(state, "b", 60, NOON)
    assert [(each.source, each.amount) for each in loans] == [("a", 60)]
    assert transfers.lendable(state, state.budgets["a"], NOON) == 15
    before = lefts(state)
    assert transfers.borrow(state, "b", 16, NOON) == []
    assert lefts(state) == before
    assert transfers.lendable(state, state.budgets["a"], NOON + DAY_MS) == 75, "a new period"


def test_what_cannot_move_is_refused() -> None:
    state = tree()
    state.put(BudgetSpec(name="usd", limit=5, period=DAILY), NOON)
    state.put(BudgetSpec(name="sum", unit=Unit.TOKENS, period=DAILY), NOON)
    for change, message in (
        ({"source": "usd"}, "different units"),
        ({"source": "sum"}, "has no limit"),
        ({"source": "b"}, "cannot give to itself"),
        ({"amount": 0}, "more than 0"),
        ({"source": "", "repay_days": 3}, "cannot be repaid"),
        ({"lasting": True, "repay_days": 3}, "is not repaid"),
    ):
        with pytest.raises(BudgetError, match=message):
            move(state, "a", "b", 5) if not change else _grant(state, **change)
    assert not state.transfers


def _grant(state: Leases, **change: object) -> None:
    each = Transfer(1, TransferKind.REALLOCATION, "a", "b", 5, "r", False, 0, "ann", NOON)
    transfers.grant(state, each._replace(**change), "coo", NOON)  # type: ignore[arg-type]


def test_no_order_of_moves_and_leases_passes_a_limit_that_nothing_outside_has_raised() -> None:
    """Moves inside the tree: what is spent in a day is never more than its root allows, and no budget spends what it does not have."""
    for seed in range(150):
        random, state, now = Random(seed), tree(borrow=True, lending_percent=50), NOON
        for step in range(80):
            now = random_step(state, random, step, now)
            assert broken(state, now) == [], seed
            books_balance(state)
            assert state.budgets["org"].limit(now) == 1_000


def random_step(state: Leases, random: Random, step: int, now: int) -> int:
    what = random.randrange(6)
    source, target = random.sample(["east", "west", "a", "b", "c"], 2)
    if what == 0:
        asked = Transfer(
            state.next_transfer, TransferKind.REALLOCATION, source, target, random.randint(1, 200), "r", False,
            random.choice((0, 0, 3)), "x", now,
        )  # fmt: skip
        transfers.grant(state, asked, "coo", now)
    elif what == 1 and state.transfers:
        known = random.choice(list(state.transfers.values()))
        with suppress(BudgetError):  # of a period that is over
            transfers.take_back(state, known, "coo", now)
    elif what < 4:
        found = state.reserve(f"{step}", [source], random.randint(1, 200), now + HOUR_MS, now)
        if isinstance(found, Refused):
            transfers.borrow(state, found.budget, random.randint(1, 50), now)
    elif what == 4 and state.live:
        lease = random.choice(list(state.live.values()))
        state.settle(lease.id, random.randint(0, lease.amount), now)
    else:
        now += random.randint(1, 20) * HOUR_MS
        state.expire(now)
        transfers.repay(state, now)
    return now


@pytest.mark.parametrize("name", ["a", "east"])
def test_a_parent_does_not_change_while_something_is_moved_between_what_is_below_it_and_others(
    name: str,
) -> None:
    state = tree()
    moved = move(state, "c", "a", 50)
    spec = replace(state.budgets[name].spec, parent="contingency")
    with pytest.raises(BudgetError, match="has transfer 1 in force, so its parent cannot change"):
        state.put(spec, NOON)
    transfers.take_back(state, moved, "coo", NOON)
    state.put(spec, NOON)


def test_what_was_granted_at_once_counts_as_long_as_its_window() -> None:
    state = budgets(
        BudgetSpec(name="a", limit=100, unit=Unit.TOKENS, period=Period(Every.ROLLING, 24)), now_ms=NOON
    )
    move(state, "", "a", 10, kind=TransferKind.REQUEST, asked_by="coo")
    move(state, "", "a", 20, kind=TransferKind.REQUEST, asked_by="ann")  # approved by another
    a = state.budgets["a"]
    for hours, counts in ((0, 10), (20, 10), (26, 0)):
        transfers.forget_old(state, NOON + hours * HOUR_MS)
        assert transfers.granted_at_once(state, a, NOON + hours * HOUR_MS) == counts
    assert state.transfers == {}


@pytest.mark.parametrize(("used", "movable"), [(0, 300), (100, 209), (300, 27), (330, 0)])
def test_a_budget_with_overage_gives_what_its_smaller_limit_can_spare(used: int, movable: int) -> None:
    """A tenth more than its limit is granted, and a tenth less with each dollar that it gives: after all that is left has gone it would be overspent."""
    state = budgets(
        BudgetSpec(name="a", limit=300, period=Period(Every.DAY), overage_percent=10),
        BudgetSpec(name="b", limit=300, period=Period(Every.DAY)),
        now_ms=NOON,
    )
    use(state, "a", used)
    more = Transfer(1, TransferKind.REALLOCATION, "a", "b", movable + 1, "r", False, 0, "ann", NOON)
    assert transfers.grant(state, more, "coo", NOON) == Refused("a", movable)
    if movable:
        move(state, "a", "b", movable)
    assert broken(state, NOON) == []
