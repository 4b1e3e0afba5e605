"""What a budget is by its settings, and what is wrong with a set of them. Pure; called by settings, apply and the leases."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

#: Rolling windows: hours of the shortest and of the longest.
ROLLING_SHORTEST_H, ROLLING_LONGEST_H = 1, 24 * 366
#: Levels of one tree: each is looked at with each lease.
LEVELS_MAX = 8
_ROLLING = re.compile(r"rolling ([1-9][0-9]{0,4})(h|d)")


class Unit(StrEnum):
    USD = "usd"
    """Amounts are whole pico-USD."""
    TOKENS = "tokens"


class Every(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    ONCE = "once"
    ROLLING = "rolling"


class Period(NamedTuple):
    every: Every = Every.MONTH
    hours: int = 0
    """Of a rolling window."""

    @property
    def text(self) -> str:
        return f"rolling {self.hours}h" if self.every is Every.ROLLING else self.every.value


def parse_period(text: str) -> Period:
    """`day`, `week`, `month`, `year`, `once`, `rolling 24h` or `rolling 7d`. Raises ValueError."""
    rolling = _ROLLING.fullmatch(text)
    if rolling is not None:
        hours = int(rolling[1]) * (24 if rolling[2] == "d" else 1)
        if hours <= ROLLING_LONGEST_H:
            return Period(Every.ROLLING, hours)
        raise ValueError(f"{text!r} is longer than 366 days; write at most rolling {ROLLING_LONGEST_H}h")
    if text in [each.value for each in Every if each is not Every.ROLLING]:
        return Period(Every(text))
    raise ValueError(f"{text[:50]!r} is not a period; write day, week, month, year, once or rolling 24h")


MONTHLY = Period()


class Scope(StrEnum):
    """What a budget limits. `group` adds up budgets below it and limits nothing by itself."""

    ORGANISATION = "organisation"
    DIVISION = "division"
    PROJECT = "project"
    USER = "user"
    POOL = "pool"
    EVENT = "event"
    GROUP = "group"


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    name: str
    scope: Scope = Scope.GROUP
    of: str = ""
    """The pool, project, user … that it limits; empty: the one of its name."""
    parent: str = ""
    limit: int | None = None
    """Of one period. None: it only adds up what is below it."""
    unit: Unit = Unit.USD
    period: Period = MONTHLY
    timezone: str = "UTC"
    overage_percent: int = 0
    """So much more than the limit is granted."""
    borrow: bool = False
    """It may borrow what its siblings have not used."""
    lending_percent: int = 100
    """Of its limit, what siblings may borrow in one period."""
    approval_percent: int = 15
    """A request for more than this part of the limit waits for an approver."""
    approvers: tuple[str, ...] = ()
    """Users; empty: operators and administrators."""
    priority: Priority = Priority.MEDIUM
    thresholds: tuple[int, ...] = (50, 75, 90, 100)
    """Percent of the limit at which an alert is raised."""

    @property
    def subject(self) -> str:
        return self.of or self.name


class Fault(NamedTuple):
    budget: str
    key: str
    message: str
    remedy: str


def faults(specs: Mapping[str, BudgetSpec]) -> list[Fault]:
    """What makes the set unusable, by budget. `specs`: all of them, by name."""
    found = [fault for spec in specs.values() for fault in _of_parents(spec, specs)]
    return [*found, *_doubled(specs.values())]


def _of_parents(spec: BudgetSpec, specs: Mapping[str, BudgetSpec]) -> Iterator[Fault]:
    if not spec.parent:
        return
    parent = specs.get(spec.parent)
    if parent is None:
        yield Fault(
            spec.name,
            "parent",
            f"Budget {spec.name} has the parent {spec.parent}, which does not exist.",
            "Create that budget, or correct the name.",
        )
        return
    if parent.unit is not spec.unit:
        yield Fault(
            spec.name,
            "unit",
            f"Budget {spec.name} is in {spec.unit} and its parent {parent.name} in {parent.unit}.",
            "All budgets of one tree have one unit; give it another parent.",
        )
    way = [spec.name]
    while parent is not None and parent.name not in way:
        way.append(parent.name)
        parent = specs.get(parent.parent)
    if parent is not None:
        if parent.name == spec.name:  # those that only lead into a circle are not to blame
            yield Fault(
                spec.name,
                "parent",
                f"Budgets are above themselves: {' → '.join([*way, spec.name])}.",
                "Give one of them another parent.",
            )
    elif len(way) > LEVELS_MAX:
        yield Fault(
            spec.name,
            "parent",
            f"Budget {spec.name} has {len(way) - 1} budgets above it; the maximum is {LEVELS_MAX - 1}.",
            "Use fewer levels.",
        )


def _doubled(specs: Iterable[BudgetSpec]) -> Iterator[Fault]:
    first: dict[tuple[Scope, str, Unit], str] = {}
    for spec in specs:
        if spec.scope in (Scope.GROUP, Scope.EVENT):
            continue
        other = first.setdefault((spec.scope, spec.subject, spec.unit), spec.name)
        if other != spec.name:
            yield Fault(
                spec.name,
                "of",
                f"The budgets {other} and {spec.name} are both for {spec.scope} {spec.subject}.",
                "Remove one of them, or give it the scope `group` and make it the parent of the other.",
            )
