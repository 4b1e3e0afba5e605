"""What is left of the budgets that workers are paid from, as the planner sees it. Amounts are whole pico-USD, and limits whole cents: what is
observed is recorded in 64 bits, and limits may be larger than these in pico-USD."""

from dataclasses import dataclass

from herder.model.ids import ClassId, PoolName

#: $4.6 million: no plan reserves as much, so more than that left binds nothing.
LEFT_MAX = 2**62


def bounded(pico: int) -> int:
    """What is left, as it is observed."""
    return max(-LEFT_MAX, min(LEFT_MAX, pico))


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLeft:
    """`left`: what may still be reserved in the period; below zero when more was spent. None, as `limit_cents`: it has no limit of its own.
    Both are with its overage and with what it can borrow."""

    name: str
    limit_cents: int | None
    left: int | None
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetsLeft:
    """Each worker reserves `quantum_ms` of its price when it is created: in the budget of its pool (`pools`) and in all above that."""

    quantum_ms: int
    budgets: tuple[BudgetLeft, ...]
    pools: tuple[tuple[PoolName, str], ...]

    def above(self, pool: PoolName) -> tuple[BudgetLeft, ...]:
        """The budgets with a limit that pay for a pool, its own first."""
        by_name = {each.name: each for each in self.budgets}
        found: list[BudgetLeft] = []
        at = dict(self.pools).get(pool)
        while at is not None:
            budget = by_name[at]
            if budget.left is not None:
                found.append(budget)
            at = budget.parent
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpaidClass:
    """So many of the waiting jobs of a class that a budget of their user or project does not pay: each needs `needs` for its next quantum."""

    class_id: ClassId
    count: int
    budget: str
    limit_cents: int
    left: int
    needs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedClass:
    """So many of the waiting jobs of a class that an action of an alert keeps from starting: their priority is below `below`.
    `until_ms`: the end of its period; None: it ends when the use falls."""

    class_id: ClassId
    count: int
    alert: str
    policy: str
    action: str
    below: int
    until_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotOnly:
    """A pool in which an action of an alert lets the planner create spot workers only, where the pool has offers of spot. `until_ms`: as of RestrictedClass."""

    pool: PoolName
    alert: str
    policy: str
    until_ms: int | None


NO_BUDGETS = BudgetsLeft(quantum_ms=0, budgets=(), pools=())
