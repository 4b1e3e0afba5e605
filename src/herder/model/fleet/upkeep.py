"""Maintenance windows and disruption budgets: when workers are replaced without need, and how many at a time.

A `TimeWindow` is what people write; an `Opening` is one stretch of time that follows from it. `control/` turns the one into the other,
as with schedules, because calendars and time zones need a library; the planner sees only openings. Knows no calendar and no clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Disruption(StrEnum):
    """Why a worker that works is drained by choice. A budget names these."""

    UNDERUTILISED = "underutilised"
    """The pool has more workers than its target_utilisation needs."""
    CONSOLIDATION = "consolidation"
    """Its work fits on other workers, or on cheaper ones."""
    PREEMPTED = "preempted"
    """A spot worker makes room for the minimum of another pool."""
    DRIFTED = "drifted"
    """It differs from what its pool would create now."""
    SOFT_TTL = "soft_ttl"
    """It is older than the pool's `ttl_soft`."""
    EXPIRED = "expired"
    """It is past its time to live. Only a budget that names it bounds this."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TimeWindow:
    """From each time that `cron` names, in the IANA time zone `timezone`, for `duration_s`."""

    cron: str
    timezone: str = "UTC"
    duration_s: float

    def __str__(self) -> str:
        return f"{self.cron!r} ({self.timezone})"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Opening:
    """`[start_ms, end_ms)` of one window: the one that is open, or the next one."""

    window: TimeWindow
    start_ms: int
    end_ms: int

    def open(self, now_ms: int) -> bool:
        return self.start_ms <= now_ms < self.end_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class DisruptionBudget:
    """At most `workers`, or `percent` of the pool (rounded up, so that 10 % of 3 workers is 1), at a time."""

    workers: int | None = None
    percent: int | None = None
    reasons: tuple[Disruption, ...] = ()
    """Empty: all but `expired`."""
    window: TimeWindow | None = None
    """None: always."""

    def covers(self, reason: Disruption) -> bool:
        return reason in self.reasons if self.reasons else reason is not Disruption.EXPIRED

    def most(self, pool_workers: int) -> int:
        """Of a pool with so many workers that are not starting."""
        if self.percent is not None:
            return -(-pool_workers * self.percent // 100)
        return 0 if self.workers is None else self.workers

    def __str__(self) -> str:
        return f"{self.percent}%" if self.percent is not None else f"{self.workers or 0}"


#: What holds where no budget covers a reason at a time; 1 as in cluster-autoscaler.
USUAL_BUDGET = 1
#: As a pool has it: a plain number is one budget for all reasons and times.
Budgets = int | tuple[DisruptionBudget, ...]


def budgets_of(given: Budgets) -> tuple[DisruptionBudget, ...]:
    return (DisruptionBudget(workers=given),) if isinstance(given, int) else given


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetInForce:
    """How many at a time, and which budget says so: `budget` is None where none covers the reason now."""

    most: int
    budget: DisruptionBudget | None = None
    until_ms: int | None = None
    """The end of its window."""

    def __str__(self) -> str:
        """`disruption_budget 10%, window '0 8 * * *' (UTC)`."""
        if self.budget is None:
            return "disruption_budget, default"
        window = "" if self.budget.window is None else f", window {self.budget.window}"
        return f"disruption_budget {self.budget}{window}"


def budget_in_force(
    given: Budgets, reason: Disruption, pool_workers: int, openings: Iterable[Opening], now_ms: int
) -> BudgetInForce | None:
    """The smallest that covers the reason now. None: the reason is not bounded (only `expired`, when no budget names it)."""
    ends = {each.window: each.end_ms for each in openings if each.open(now_ms)}
    found = [
        BudgetInForce(
            most=each.most(pool_workers),
            budget=each,
            until_ms=None if each.window is None else ends[each.window],
        )
        for each in budgets_of(given)
        if each.covers(reason) and (each.window is None or each.window in ends)
    ]
    if found:
        return min(found, key=lambda each: each.most)
    return None if reason is Disruption.EXPIRED else BudgetInForce(most=USUAL_BUDGET)


def windows_named(given: Budgets, maintenance: tuple[TimeWindow, ...]) -> tuple[TimeWindow, ...]:
    """Every window of a pool once, in order."""
    budgets = () if isinstance(given, int) else given
    return tuple(sorted({*maintenance, *(each.window for each in budgets if each.window is not None)}))
