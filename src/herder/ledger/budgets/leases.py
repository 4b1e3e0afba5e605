"""Leases on budgets: whoever spends reserves the most that its next quantum can cost, in every budget above it at once, and settles what it did cost. Pure.

`spent + reserved <= limit` holds in each budget after each step, whatever the order of steps, as long as no holder spends more than it has reserved. One that does – a
machine that cannot be stopped at once – is booked in full: then no more is granted until there is room again. A lease that is not settled by its end is settled at all that it had
reserved: what a holder that was lost has used is unknown, and unknown is not zero.

Amounts are whole units of one kind: pico-USD, or tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class BudgetError(ValueError):
    """Of a tree of budgets that cannot be."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """`limit`: of one period. None: it only adds up what is below it."""

    name: str
    limit: int | None
    parent: str | None = None
    spent: int = 0
    reserved: int = 0

    @property
    def left(self) -> int | None:
        return None if self.limit is None else self.limit - self.spent - self.reserved


class Lease(NamedTuple):
    id: str
    budget: str
    amount: int
    until_ms: int


class Refused(NamedTuple):
    """`budget`: the one that binds, the lowest of them; `left`: what it has."""

    budget: str
    left: int


@dataclass(slots=True)
class Leases:
    budgets: dict[str, Budget]
    leases: dict[str, Lease] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.budgets:
            list(self._up(name))

    def reserve(self, lease: Lease) -> Lease | Refused:
        """The same lease again is answered as before. Raises KeyError for a budget that does not exist, ValueError for a lease that differs."""
        if lease.amount < 0:
            raise ValueError(f"lease {lease.id} reserves a negative amount")
        known = self.leases.get(lease.id)
        if known is not None:
            if known != lease:
                raise ValueError(f"lease {lease.id} exists with another amount, budget or end")
            return known
        above = list(self._up(lease.budget))
        for budget in above:
            if budget.left is not None and budget.left < lease.amount:
                return Refused(budget.name, budget.left)
        for budget in above:
            budget.reserved += lease.amount
        self.leases[lease.id] = lease
        return lease

    def settle(self, lease_id: str, cost: int) -> bool:
        """The holder has used `cost` of it and is done. False: it is settled already, or has expired."""
        if cost < 0:
            raise ValueError(f"the cost of lease {lease_id} is negative")
        lease = self.leases.pop(lease_id, None)
        if lease is None:
            return False
        for budget in self._up(lease.budget):
            budget.reserved -= lease.amount
            budget.spent += cost
        return True

    def expire(self, now_ms: int) -> list[Lease]:
        """Those whose end has come are settled at all that they had reserved."""
        over = sorted(each for each in self.leases.values() if each.until_ms <= now_ms)
        for lease in over:
            self.settle(lease.id, lease.amount)
        return over

    def correct(self, budget: str, by: int) -> None:
        """What a lost holder has used has become known, or a line was corrected: spent changes, reservations do not."""
        for each in self._up(budget):
            each.spent += by

    def set_limit(self, name: str, limit: int | None) -> None:
        """Raises BudgetError below what is spent and reserved already: nothing that was granted is taken away."""
        budget = self.budgets[name]
        used = budget.spent + budget.reserved
        if limit is not None and limit < used:
            raise BudgetError(
                f"budget {name} has {used} spent or reserved already; set at least that, or wait for leases to end"
            )
        budget.limit = limit

    def _up(self, name: str) -> Iterator[Budget]:
        """It and those above it. Raises BudgetError for a circle and for a parent that does not exist."""
        seen: list[str] = []
        at: str | None = name
        while at is not None:
            if at in seen:
                raise BudgetError(
                    f"budgets are above themselves: {' → '.join([*seen, at])}; give one another parent"
                )
            seen.append(at)
            budget = self.budgets.get(at)
            if budget is None:
                if at == name:
                    raise KeyError(name)
                raise BudgetError(
                    f"budget {seen[-2]} is in {at}, which does not exist; create it, or correct its parent"
                )
            yield budget
            at = budget.parent


def broken(state: Leases) -> list[str]:
    """Which of what must hold does not."""
    held: dict[str, int] = dict.fromkeys(state.budgets, 0)
    for lease in state.leases.values():
        for budget in state._up(lease.budget):
            held[budget.name] += lease.amount
    return [*_differences(held, state.budgets), *_over(state.budgets)]


def _differences(held: Mapping[str, int], budgets: Mapping[str, Budget]) -> Iterator[str]:
    for name, budget in budgets.items():
        if budget.reserved != held[name]:
            yield f"budget {name} has {budget.reserved} reserved, and its leases {held[name]}"


def _over(budgets: Mapping[str, Budget]) -> Iterator[str]:
    for name, budget in budgets.items():
        if budget.left is not None and budget.left < 0:
            yield f"budget {name} is overspent by {-budget.left}"
