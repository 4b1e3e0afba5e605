"""Leases on budgets: no order of steps overspends one, and nothing that was reserved is lost."""

from __future__ import annotations

from random import Random

import pytest

from herder.ledger.budgets.leases import Budget, BudgetError, Lease, Leases, Refused, broken


def tree(limit: int = 1_000) -> Leases:
    rows = [
        Budget(name="org", limit=limit),
        Budget(name="division", limit=limit * 2 // 3, parent="org"),
        Budget(name="alpha", limit=limit // 2, parent="division"),
        Budget(name="beta", limit=None, parent="division"),
        Budget(name="other", limit=limit // 3, parent="org"),
    ]
    return Leases({each.name: each for each in rows})


def test_no_interleaving_overspends() -> None:
    """Holders that reserve, settle, die, come back and repeat themselves."""
    for seed in range(300):
        random, state, now, made = Random(seed), tree(), 0, 0
        granted: list[Lease] = []
        for _ in range(120):
            step = random.randrange(5)
            if step < 2:
                made += 1
                name = random.choice(["alpha", "beta", "other", "division"])
                found = state.reserve(
                    Lease(str(made), name, random.randint(0, 300), now + random.randint(1, 50))
                )
                if isinstance(found, Lease):
                    granted.append(found)
            elif step == 2 and granted:
                lease = random.choice(granted)
                state.settle(lease.id, random.randint(0, lease.amount))
            elif step == 3 and granted:
                lease = random.choice(granted)
                if lease.id in state.leases:
                    assert state.reserve(lease) == lease, "the answer was lost, and is asked for again"
            else:
                now += random.randint(0, 40)
                state.expire(now)
            assert broken(state) == []
        state.expire(10**9)
        assert not state.leases
        assert all(each.reserved == 0 for each in state.budgets.values())
        assert state.budgets["org"].spent >= sum(state.budgets[name].spent for name in ("division", "other"))


def test_the_budget_that_binds_is_named() -> None:
    state = tree()
    assert state.reserve(Lease("1", "alpha", 501, 9)) == Refused("alpha", 500)
    assert isinstance(state.reserve(Lease("2", "beta", 600, 9)), Lease)
    assert state.reserve(Lease("3", "alpha", 100, 9)) == Refused("division", 66)
    assert broken(state) == []


def test_a_lost_holder_has_used_all_of_it_until_more_is_known() -> None:
    state = tree()
    state.reserve(Lease("1", "alpha", 100, 9))
    assert [each.id for each in state.expire(9)] == ["1"]
    assert (state.budgets["alpha"].spent, state.budgets["org"].spent) == (100, 100)
    assert not state.settle("1", 5)
    state.correct("alpha", -95)
    assert state.budgets["org"].spent == 5


def test_one_that_cannot_stop_is_booked_in_full_and_stops_the_others() -> None:
    state = tree()
    state.reserve(Lease("1", "alpha", 400, 9))
    state.settle("1", 450)
    assert state.reserve(Lease("2", "alpha", 51, 9)) == Refused("alpha", 50)


def test_what_cannot_be_is_refused() -> None:
    state = tree()
    state.reserve(Lease("1", "alpha", 300, 9))
    with pytest.raises(BudgetError, match="set at least that"):
        state.set_limit("alpha", 299)
    state.set_limit("alpha", 300)
    with pytest.raises(ValueError, match="another amount"):
        state.reserve(Lease("1", "alpha", 301, 9))
    with pytest.raises(BudgetError, match="above themselves: a → b → a"):
        Leases({"a": Budget(name="a", limit=1, parent="b"), "b": Budget(name="b", limit=1, parent="a")})
    with pytest.raises(BudgetError, match="which does not exist"):
        Leases({"a": Budget(name="a", limit=1, parent="z")})
    for amount in (-1,):
        with pytest.raises(ValueError, match="negative"):
            state.reserve(Lease("9", "alpha", amount, 9))
