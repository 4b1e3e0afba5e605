"""Invariant 9 as a machine of states: holders reserve, renew and settle, budgets borrow and are reallocated, time passes, the server dies before a commit or after it,
and calls are repeated. `HYPOTHESIS_PROFILE=explore` runs twenty times as many examples."""

from __future__ import annotations

import copy
from itertools import permutations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from herder.ledger.budgets import transfers
from herder.ledger.budgets.leases import Lease, Leases, Refused, broken
from herder.ledger.budgets.spec import BudgetSpec, Every, Period
from herder.ledger.budgets.transfer import Transfer, TransferKind
from tests.budgets.worlds import DAY_MS, HOUR_MS, MINUTE_MS, NOVEMBER_MS
from tests.support.budgets import books_balance, budgets

DAILY = Period(Every.DAY)
ORG, SIBLINGS = 1_500, ("a", "b", "c")
SPECS = (
    BudgetSpec(name="org", limit=ORG, period=Period(Every.ONCE)),
    BudgetSpec(name="east", limit=900, period=DAILY, parent="org"),
    BudgetSpec(name="a", limit=400, period=DAILY, parent="east", borrow=True, lending_percent=50),
    BudgetSpec(name="b", limit=300, period=DAILY, parent="east", overage_percent=10),
    BudgetSpec(name="c", limit=200, period=DAILY, parent="east", borrow=True),
)
LIMITS = sum(each.limit or 0 for each in SPECS if each.name in SIBLINGS)
amounts = st.integers(1, 250)
#: At which moment the server dies during a step, if at all.
fates = st.sampled_from(["lives", "lives", "lives", "dies before the commit", "dies before the answer"])


class Holders(RuleBasedStateMachine):
    """What holders know and what is durable may differ; nothing else may."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOVEMBER_MS
        self.state: Leases = budgets(*SPECS, now_ms=self.now)
        self.durable = copy.deepcopy(self.state)
        self.told: dict[str, Lease] = {}
        self.used: dict[str, int] = {}
        self.stopped: set[str] = set()
        """Who has settled uses no more, whether the server has heard of it or not."""
        self.made = 0

    def done(self, fate: str, answer: Lease | Refused | None = None) -> None:
        """The step is committed, or the server dies: a new one reads what was committed."""
        if fate == "dies before the commit":
            self.state = copy.deepcopy(self.durable)
            return
        self.durable = copy.deepcopy(self.state)
        if fate == "dies before the answer":
            self.state = copy.deepcopy(self.durable)
        elif isinstance(answer, Lease):
            self.told[answer.id] = answer

    def some_lease(self, data: st.DataObject) -> Lease:
        return self.told[data.draw(st.sampled_from(sorted(self.told)))]

    def known(self, lease: Lease) -> bool:
        return lease.id in self.state.live or lease.id in self.state.expired

    def spend(self, lease: Lease, part: int) -> int:
        """Up to what it was told that it may use, and nothing more once its end has come."""
        before = self.used.get(lease.id, 0)
        if lease.until_ms > self.now and lease.id not in self.stopped:
            self.used[lease.id] = max(before, lease.cost + lease.amount * part // 100)
        else:
            self.used.setdefault(lease.id, max(before, lease.cost))
        return self.used[lease.id]

    @rule(
        names=st.sampled_from([("a",), ("b",), ("c",), ("east",)]),
        amount=amounts,
        hours=st.integers(1, 30),
        fate=fates,
    )
    def reserve(self, names: tuple[str, ...], amount: int, hours: int, fate: str) -> None:
        self.made += 1
        until = self.now + hours * HOUR_MS
        answer = self.state.reserve(str(self.made), names, amount, until, self.now)
        if isinstance(answer, Lease):
            assert self.state.reserve(str(self.made), names, amount, until, self.now) == answer, "asked again"
        self.done(fate, answer)

    @precondition(lambda self: self.told)
    @rule(data=st.data(), part=st.integers(0, 100), amount=amounts, hours=st.integers(1, 30), fate=fates)
    def renew(self, data: st.DataObject, part: int, amount: int, hours: int, fate: str) -> None:
        lease = self.some_lease(data)
        if not self.known(lease) or lease.id in self.stopped:
            return
        cost, until = self.spend(lease, part), self.now + hours * HOUR_MS
        answer = self.state.renew(lease.id, lease.number, cost, amount, until, self.now, remote=True)
        if isinstance(answer, Lease):
            again = self.state.renew(lease.id, lease.number, cost, amount, until, self.now, remote=True)
            assert again == answer, "the answer was lost, and is asked for again"
        self.done(fate, answer)

    @precondition(lambda self: self.told)
    @rule(data=st.data(), part=st.integers(0, 100), fate=fates)
    def settle(self, data: st.DataObject, part: int, fate: str) -> None:
        lease = self.some_lease(data)
        cost = self.spend(lease, part)
        self.stopped.add(lease.id)
        self.state.settle(lease.id, cost, self.now)
        assert self.state.settle(lease.id, cost, self.now) is None, "a second time changes nothing"
        self.done(fate)
        if fate == "lives":
            del self.told[lease.id]

    @rule(minutes=st.sampled_from([1, 59, 600, 1_500]), fate=fates)
    def wait(self, minutes: int, fate: str) -> None:
        """Time passes for a server that is away, too."""
        self.now += minutes * MINUTE_MS
        self.state.expire(self.now)
        transfers.repay(self.state, self.now)
        transfers.forget_old(self.state, self.now)
        self.done(fate)
        self.state.expire(self.now)

    @rule(name=st.sampled_from(SIBLINGS), missing=amounts, fate=fates)
    def borrow(self, name: str, missing: int, fate: str) -> None:
        before = {each: self.state.budgets[each].limit(self.now) for each in SIBLINGS}
        loans = transfers.borrow(self.state, name, missing, self.now)
        if not loans:
            assert before == {each: self.state.budgets[each].limit(self.now) for each in SIBLINGS}
        self.done(fate)

    @rule(
        way=st.sampled_from(list(permutations(SIBLINGS, 2))),
        amount=amounts,
        repay_days=st.sampled_from([0, 7]),
        fate=fates,
    )
    def reallocate(self, way: tuple[str, str], amount: int, repay_days: int, fate: str) -> None:
        source, target = way
        moved = Transfer(
            self.state.next_transfer,
            TransferKind.REALLOCATION,
            source,
            target,
            amount,
            "more to do",
            False,
            repay_days,
            "ann",
            self.now,
        )
        movable = self.state.budgets[source].movable(self.now)
        assert movable is not None
        granted = transfers.grant(self.state, moved, "coo", self.now)
        assert isinstance(granted, Transfer) == (movable >= amount)
        self.done(fate)

    @invariant()
    def nothing_is_overspent(self) -> None:
        self.state.expire(self.now)
        assert broken(self.state, self.now) == []
        books_balance(self.state)

    @invariant()
    def moves_add_nothing(self) -> None:
        limits = [self.state.budgets[name].limit(self.now) or 0 for name in SIBLINGS]
        assert sum(limits) == LIMITS
        assert (self.state.budgets["east"].limit(self.now), self.state.budgets["org"].limit(self.now)) == (
            900,
            ORG,
        )

    def teardown(self) -> None:
        """All that was used is booked, and in the end nothing is reserved."""
        self.state.expire(self.now + 40 * DAY_MS)
        assert not self.state.live
        spans = [span for each in self.state.budgets.values() for span in each.spans.values()]
        assert all((span.reserved, span.leases) == (0, 0) for span in spans)
        (org,) = self.state.budgets["org"].spans.values()
        assert sum(self.used.values()) <= org.spent <= ORG


Holders.TestCase.settings = settings(
    max_examples=settings.default.max_examples * 2 // 5 if settings.default else 40,
    stateful_step_count=25,
    deadline=None,
)
TestHolders = Holders.TestCase
