"""Deletion as a machine of states: budgets are deleted, kept and created again while holders spend, and the server dies before a commit or after it."""

from __future__ import annotations

import copy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from herder.ledger.budgets import deleting, transfers
from herder.ledger.budgets.leases import BudgetError, Lease, Leases, broken
from herder.ledger.budgets.spec import BudgetSpec, Every, Period
from tests.budgets.worlds import DAY_MS, HOUR_MS, NOVEMBER_MS
from tests.support.budgets import books_balance, budgets

ONCE = Period(Every.ONCE)
LEAVES = ("a", "b")
SPECS = {
    "org": BudgetSpec(name="org", limit=1_000, period=ONCE),
    "a": BudgetSpec(name="a", limit=600, period=ONCE, parent="org", borrow=True),
    "b": BudgetSpec(name="b", limit=600, period=ONCE, parent="org"),
}
fates = st.sampled_from(["lives", "lives", "lives", "dies before the commit"])
leaves = st.sampled_from(LEAVES)


class Deletion(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOVEMBER_MS
        self.state: Leases = budgets(*SPECS.values(), now_ms=self.now)
        self.told: dict[str, Lease] = {}
        self.booked = 0
        """What has been settled, or has expired."""
        self.made = 0

    def step(self, fate: str, before: Leases) -> bool:
        """Whether it was committed."""
        if fate == "lives":
            return True
        self.state = before
        return False

    @rule(name=leaves, amount=st.integers(1, 250), hours=st.integers(1, 30), fate=fates)
    def reserve(self, name: str, amount: int, hours: int, fate: str) -> None:
        budget, before = self.state.budgets.get(name), copy.deepcopy(self.state)
        self.made += 1
        try:
            found = self.state.reserve(str(self.made), [name], amount, self.now + hours * HOUR_MS, self.now)
        except (BudgetError, KeyError):
            assert budget is None or budget.deleting
            assert self.state == before, "a refusal changes nothing"
            return
        assert budget is not None
        assert not budget.deleting
        if self.step(fate, before) and isinstance(found, Lease):
            self.told[found.id] = found

    @precondition(lambda self: self.told)
    @rule(data=st.data(), part=st.integers(0, 100), fate=fates)
    def renew(self, data: st.DataObject, part: int, fate: str) -> None:
        lease, before = self.told[data.draw(st.sampled_from(sorted(self.told)))], copy.deepcopy(self.state)
        cost = lease.cost + lease.amount * part // 100
        ends = not self.state.pays(lease)
        try:
            found = self.state.renew(lease.id, lease.number, cost, 10, self.now + HOUR_MS, self.now)
        except BudgetError:
            assert ends
            assert self.state == before, "a refusal changes nothing"
            return
        assert not ends
        if self.step(fate, before) and isinstance(found, Lease):
            self.told[found.id] = found
            self.booked += cost - lease.cost

    @precondition(lambda self: self.told)
    @rule(data=st.data(), part=st.integers(0, 100), fate=fates)
    def settle(self, data: st.DataObject, part: int, fate: str) -> None:
        lease, before = self.told[data.draw(st.sampled_from(sorted(self.told)))], copy.deepcopy(self.state)
        cost = lease.cost + lease.amount * part // 100
        self.state.settle(lease.id, cost, self.now)
        if self.step(fate, before):
            del self.told[lease.id]
            self.booked += cost - lease.cost

    @rule(hours=st.integers(1, 40))
    def wait(self, hours: int) -> None:
        self.now += hours * HOUR_MS
        for lease in self.state.expire(self.now):
            self.booked += lease.amount
            del self.told[lease.id]

    @rule(fate=fates)
    def finish(self, fate: str) -> None:
        before = copy.deepcopy(self.state)
        for budget in deleting.finish(self.state):
            assert not any(budget.spec.name in each.budgets for each in self.state.live.values())
        self.step(fate, before)

    @rule(name=leaves, fate=fates)
    def delete(self, name: str, fate: str) -> None:
        if name not in self.state.budgets:
            return
        before = copy.deepcopy(self.state)
        gone = deleting.delete(self.state, name)
        assert gone == (name not in self.state.budgets)
        assert gone != any(name in each.budgets for each in self.state.live.values())
        self.step(fate, before)

    @rule(name=leaves, fate=fates)
    def keep(self, name: str, fate: str) -> None:
        budget, before = self.state.budgets.get(name), copy.deepcopy(self.state)
        if budget is not None and budget.deleting:
            deleting.keep(self.state, name)
            self.step(fate, before)

    @rule(name=leaves)
    def create_again(self, name: str) -> None:
        if name not in self.state.budgets:
            self.state.put(SPECS[name], self.now)

    @rule()
    def lend(self) -> None:
        """Nothing is borrowed of a budget that is being deleted."""
        if "a" in self.state.budgets and not self.state.budgets["a"].deleting:
            loans = transfers.borrow(self.state, "a", 5, self.now)
            assert not loans or not self.state.budgets["b"].deleting

    @invariant()
    def nothing_is_overspent_and_nothing_is_lost(self) -> None:
        assert broken(self.state, self.now) == []
        books_balance(self.state)
        (org,) = [*self.state.budgets["org"].spans.values()] or [None]
        assert (org.spent if org else 0) == self.booked
        assert set(self.state.live) == set(self.told)

    def teardown(self) -> None:
        """Once all leases have ended, whatever is being deleted is gone."""
        self.state.expire(self.now + 40 * DAY_MS)
        deleting.finish(self.state)
        assert not any(each.deleting for each in self.state.budgets.values())


Deletion.TestCase.settings = settings(
    max_examples=settings.default.max_examples // 4 if settings.default else 25,
    stateful_step_count=20,
    deadline=None,
)
TestDeletion = Deletion.TestCase
