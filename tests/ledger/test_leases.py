"""Leases on budgets: no order of steps overspends one, and nothing that was reserved is lost."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.budgets.budget import SPANS_KEPT
from herder.ledger.budgets.deleting import delete
from herder.ledger.budgets.leases import BudgetError, Charged, Lease, Leases, Refused, broken
from herder.ledger.budgets.spec import BudgetSpec, Every, Period, Scope, faults
from tests.support.budgets import books_balance, budgets

ONCE = Period(Every.ONCE)


def tree(limit: int = 1_000) -> Leases:
    return budgets(
        BudgetSpec(name="org", limit=limit, period=ONCE),
        BudgetSpec(name="division", limit=limit * 2 // 3, parent="org", period=ONCE),
        BudgetSpec(name="alpha", limit=limit // 2, parent="division", period=ONCE),
        BudgetSpec(name="beta", limit=None, parent="division", period=ONCE),
        BudgetSpec(name="other", limit=limit // 3, parent="org", period=ONCE),
    )


def spent(state: Leases, name: str) -> int:
    return sum(each.spent for each in state.budgets[name].spans.values())


def held(answer: Lease | Refused | None) -> Lease:
    assert isinstance(answer, Lease)
    return answer


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
                    str(made), [name], random.randint(0, 300), now + random.randint(1, 50), now
                )
                if isinstance(found, Lease):
                    granted.append(found)
            elif step == 2 and granted:
                lease = random.choice(granted)
                state.settle(lease.id, random.randint(0, lease.amount), now)
            elif step == 3 and granted:
                lease = random.choice(granted)
                if lease.id in state.live:
                    again = state.reserve(lease.id, lease.budgets, lease.amount, lease.until_ms, now)
                    assert again == lease, "the answer was lost, and is asked for again"
            else:
                now += random.randint(0, 40)
                state.expire(now)
            assert broken(state, now) == []
            books_balance(state)
        state.expire(10**9)
        assert not state.live
        assert all(span.reserved == 0 for each in state.budgets.values() for span in each.spans.values())
        assert spent(state, "org") >= sum(spent(state, name) for name in ("division", "other"))


def test_the_budget_that_binds_is_named() -> None:
    state = tree()
    assert state.reserve("1", ["alpha"], 501, 9, 0) == Refused("alpha", 500)
    assert isinstance(state.reserve("2", ["beta"], 600, 9, 0), Lease)
    assert state.reserve("3", ["alpha"], 100, 9, 0) == Refused("division", 66)
    assert state.left(["alpha"], 0) == 66
    assert broken(state, 0) == []


def test_a_lease_on_several_budgets_counts_once_in_what_is_above_both() -> None:
    state = tree()
    lease = state.reserve("1", ["alpha", "other"], 300, 9, 0)
    assert isinstance(lease, Lease)
    assert [state.left([name], 0) for name in ("org", "division", "alpha", "other")] == [700, 366, 200, 33]
    assert state.reserve("2", ["alpha", "other"], 100, 9, 0) == Refused("other", 33)
    state.settle("1", 10, 5)
    assert [state.left([name], 0) for name in ("org", "alpha", "other")] == [990, 490, 323]


def test_a_lost_holder_has_used_all_of_it_until_more_is_known() -> None:
    state = tree()
    state.reserve("1", ["alpha"], 100, 9, 0)
    assert [each.id for each in state.expire(9)] == ["1"]
    assert (spent(state, "alpha"), spent(state, "org")) == (100, 100)
    late = state.settle("1", 5, 20)
    assert held(late).cost == 5
    assert (spent(state, "alpha"), spent(state, "org")) == (5, 5)
    assert state.settle("1", 5, 20) is None
    state.charge([Charged(("alpha",), -4, 20)], 20)
    assert spent(state, "org") == 1


def test_use_that_nobody_reserved_is_booked_in_full_and_stops_the_others() -> None:
    state = tree()
    state.reserve("1", ["alpha"], 100, 9, 0)
    assert state.charge([Charged(("alpha",), 450, 3)], 5) == ["alpha", "division", "org"]
    assert spent(state, "org") == 450
    assert state.left(["alpha"], 5) == -50
    assert state.reserve("2", ["alpha"], 1, 9, 5) == Refused("alpha", -50)
    state.settle("1", 40, 6)
    assert (spent(state, "alpha"), spent(state, "org")) == (490, 490)
    state.charge([Charged(("alpha",), -1_000, 3)], 7)
    assert (spent(state, "alpha"), spent(state, "org")) == (0, 0), "less than nothing cannot have been used"
    books_balance(state)


def test_use_counts_in_the_period_of_its_time() -> None:
    day = 86_400_000
    state = budgets(
        BudgetSpec(name="day", scope=Scope.GROUP, period=Period(Every.DAY), limit=100),
        BudgetSpec(name="window", scope=Scope.GROUP, period=Period(Every.ROLLING, 720), limit=100),
        now_ms=day,
    )
    now_ms = 3 * day + 10
    assert state.charge([Charged(("day",), 7, 3 * day)], now_ms) == ["day"]
    assert state.budgets["day"].counts(3 * day - 1, now_ms)
    assert len(state.budgets["day"].spans) == 1, "to ask makes no period"
    assert state.charge([Charged(("day",), 5, 2 * day)], now_ms) == ["day"], "of which nothing was known"
    assert state.charge([Charged(("day",), 5, day - 1)], now_ms) == [], "over when it was created"
    assert not state.budgets["day"].counts(day - 1, now_ms)
    assert state.charge([Charged(("window",), 5, 2 * day)], now_ms) == ["window"]
    assert (state.left(["day"], now_ms), state.left(["window"], now_ms)) == (93, 95)
    spent = {start // day: span.spent for start, span in state.budgets["day"].spans.items()}
    assert spent == {2: 5, 3: 7}


def test_a_period_that_is_forgotten_is_not_begun_anew() -> None:
    """Its row is in the store, with what was spent: it would be overwritten."""
    day = 86_400_000
    state = budgets(BudgetSpec(name="day", scope=Scope.GROUP, period=Period(Every.DAY), limit=100), now_ms=0)
    for number in range(1, 9):
        state.charge([Charged(("day",), 1, number * day)], number * day)
    assert len(state.budgets["day"].spans) == SPANS_KEPT
    assert state.charge([Charged(("day",), 1, 2 * day)], 8 * day) == []
    assert state.charge([Charged(("day",), 1, 7 * day)], 8 * day) == ["day"]


def test_what_is_taken_back_is_bounded_in_each_budget_by_itself() -> None:
    """The lowest may know less of it than those above, as one that was created later."""
    state = tree()
    state.charge([Charged(("division",), 300, 3)], 5)
    state.charge([Charged(("alpha",), 90, 3)], 5)
    state.charge([Charged(("alpha",), -200, 4)], 5)
    assert [spent(state, name) for name in ("alpha", "division", "org")] == [0, 190, 190]


CHARGES = st.lists(
    st.tuples(st.sampled_from(["alpha", "division", "org", "other"]), st.integers(-50, 50)), max_size=12
)


@given(CHARGES, st.randoms())
def test_what_is_charged_together_is_the_sum_in_any_order(
    charges: list[tuple[str, int]], random: Random
) -> None:
    state, shuffled = tree(), list(charges)
    random.shuffle(shuffled)
    state.charge([Charged((name,), amount, 3) for name, amount in shuffled], 5)
    for name in ("alpha", "division", "org", "other"):
        below = [
            amount for payer, amount in charges if name in [each.spec.name for each in state.chain((payer,))]
        ]
        assert spent(state, name) == max(0, sum(below))


def test_one_that_cannot_stop_is_booked_in_full_and_stops_the_others() -> None:
    state = tree()
    state.reserve("1", ["alpha"], 400, 9, 0)
    state.settle("1", 450, 5)
    assert state.reserve("2", ["alpha"], 51, 9, 5) == Refused("alpha", 50)


def test_a_renewal_settles_and_reserves_in_one_step() -> None:
    """Costs are told from the beginning of the lease on, so that nothing is counted twice when an answer is lost."""
    state = tree()
    state.reserve("1", ["alpha"], 400, 9, 0)
    second = held(state.renew("1", 1, cost=100, amount=400, until_ms=20, now_ms=8))
    assert (second.number, second.cost) == (2, 100)
    assert state.renew("1", 1, cost=120, amount=400, until_ms=21, now_ms=9) == second, "asked for again"
    assert state.renew("1", 2, cost=400, amount=101, until_ms=30, now_ms=19) == Refused("alpha", 100)
    assert state.live["1"] == second, "refused: it is as it was"
    with pytest.raises(BudgetError, match="is at number 2, not 3"):
        state.renew("1", 3, cost=100, amount=1, until_ms=30, now_ms=19)
    with pytest.raises(BudgetError, match="cannot go down to 99"):
        state.renew("1", 2, cost=99, amount=1, until_ms=30, now_ms=19)
    assert held(state.renew("1", 2, cost=400, amount=100, until_ms=30, now_ms=19)).cost == 400
    assert state.left(["alpha"], 19) == 0
    state.expire(30)
    again = held(state.renew("1", 3, cost=440, amount=60, until_ms=50, now_ms=31))
    assert again.cost == 440, "after an absence of the server it goes on"
    assert held(state.settle("1", 440, 32)).cost == 440
    assert spent(state, "alpha") == 440
    books_balance(state)


def test_a_holder_that_may_not_hear_the_answer_keeps_what_is_left_of_its_quantum() -> None:
    state = tree()
    state.reserve("1", ["alpha"], 400, 9, 0)
    assert held(state.renew("1", 1, cost=100, amount=50, until_ms=20, now_ms=8, remote=True)).amount == 300
    assert held(state.renew("1", 2, cost=100, amount=50, until_ms=20, now_ms=9)).amount == 50


def test_what_cannot_be_is_refused() -> None:
    state = tree()
    state.reserve("1", ["alpha"], 300, 9, 0)
    with pytest.raises(BudgetError, match="set at least that"):
        state.put(BudgetSpec(name="alpha", limit=299, parent="division", period=ONCE), 0)
    with pytest.raises(BudgetError, match="its parent cannot change"):
        state.put(BudgetSpec(name="alpha", limit=300, period=ONCE), 0)
    with pytest.raises(BudgetError, match="another period"):
        state.put(BudgetSpec(name="alpha", limit=300, parent="division"), 0)
    state.put(BudgetSpec(name="alpha", limit=300, parent="division", period=ONCE), 0)
    with pytest.raises(BudgetError, match="another amount"):
        state.reserve("1", ["alpha"], 301, 9, 0)
    with pytest.raises(BudgetError, match="negative"):
        state.reserve("9", ["alpha"], -1, 9, 0)
    with pytest.raises(BudgetError, match="end in the past"):
        state.reserve("9", ["alpha"], 1, 9, 9)
    with pytest.raises(BudgetError, match="names no budget"):
        state.reserve("9", [], 1, 9, 0)
    with pytest.raises(KeyError):
        state.reserve("9", ["nothing"], 1, 9, 0)
    assert not delete(state, "alpha")
    with pytest.raises(BudgetError, match="alpha is being deleted"):
        state.reserve("9", ["alpha"], 1, 9, 0)
    with pytest.raises(BudgetError, match="is the parent of alpha, beta"):
        delete(state, "division")


def test_a_tree_that_cannot_be_is_told_with_the_remedy() -> None:
    def told(*specs: BudgetSpec) -> list[str]:
        return [f"{each.message} {each.remedy}" for each in faults({spec.name: spec for spec in specs})]

    circle = told(BudgetSpec(name="a", parent="b"), BudgetSpec(name="b", parent="a"))
    assert circle[0] == "Budgets are above themselves: a → b → a. Give one of them another parent."
    assert told(BudgetSpec(name="a", parent="z")) == [
        "Budget a has the parent z, which does not exist. Create that budget, or correct the name."
    ]
    pools = [BudgetSpec(name=name, scope=Scope.POOL, of="burst", limit=1) for name in ("a", "b")]
    assert told(*pools)[0].startswith("The budgets a and b are both for pool burst.")
