"""From measured use and lines of the ledger to the facts that the rules of optimisation are asked about. Does no input or output; `recommending.py` reads.

A shape is what jobs of one user and project request in one pool. Its cost is its part of what the ledger says that these paid there, by the list rates of what was requested. What was
not measured is None.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from herder.analysis.optimisation.facts import Fact, Size, Tasks, Timing
from herder.analysis.optimisation.recommendations import Evidence
from herder.ledger.lines import COST, Kind, Line
from herder.ledger.quantities import DAY_MS
from herder.model.values.money import MS_PER_HOUR
from herder.model.work.cost_share import CORE_HOUR, GIB_HOUR, GPU_HOUR
from herder.store.rows.measured_use import Measured

#: What is looked at, and what a month has: whole days.
WINDOW_DAYS = MONTH_DAYS = 30
#: An hour of a day is one of a pool's peak when at least so much more than in the mean is requested in it.
PEAK_PERCENT = 150
#: Shapes of one day that are looked at, those that requested most; what the others cost is counted with these.
SHAPES_MAX = 2_000
HOURS = 24
Account = tuple[str, str, str]
"""(project, user, pool)."""


class Shape(NamedTuple):
    project: str
    user: str
    pool: str
    cpu_milli: int
    memory_mib: int
    gpu: int

    @property
    def account(self) -> Account:
        return self.project, self.user, self.pool

    @property
    def target(self) -> str:
        gpu = f"-{self.gpu}gpu" if self.gpu else ""
        return f"{self.project}/{self.user}/{self.pool}/{self.cpu_milli}m-{self.memory_mib}Mi{gpu}"

    def weights(self, ms: int) -> tuple[int, int, int]:
        """CPU, memory and GPUs at list rates, in pico-USD hours."""
        return (
            ms * self.cpu_milli * CORE_HOUR // 1000,
            ms * self.memory_mib * GIB_HOUR // 1024,
            ms * self.gpu * GPU_HOUR,
        )


@dataclass(slots=True)
class Day:
    attempts: int = 0
    cpu_ran_ms: int = 0
    cpu_ms: int = 0
    memory_peak_mib: int = 0


@dataclass(slots=True)
class Use:
    """Of a shape in the window."""

    attempts: int = 0
    low_priority: int = 0
    """Of them, those that give way to others."""
    held_ms: int = 0
    ran_ms: int = 0
    cpu_peak_milli: int = 0
    memory_peak_mib: int = 0
    days: dict[int, Day] = field(default_factory=dict)
    hours: list[int] = field(default_factory=lambda: [0] * HOURS)
    """Attempts by the hour (UTC) in which they began."""
    types: set[str] = field(default_factory=set)

    def add(self, row: Measured) -> None:
        self.attempts += row.attempts
        self.low_priority += row.attempts if row.asked.priority < 0 else 0
        self.held_ms += row.held_ms
        self.ran_ms += row.ran_ms
        self.cpu_peak_milli = max(self.cpu_peak_milli, row.cpu_peak_milli)
        self.memory_peak_mib = max(self.memory_peak_mib, row.memory_peak_mib)
        self.hours[row.hour] += row.attempts
        self.types.add(row.asked.type)
        day = self.days.setdefault(row.day_ms, Day())
        day.attempts += row.attempts
        day.cpu_ran_ms += row.cpu_ran_ms
        day.cpu_ms += row.cpu_ms
        day.memory_peak_mib = max(day.memory_peak_mib, row.memory_peak_mib)

    def merge(self, other: "Use") -> None:
        """Of other days."""
        self.attempts += other.attempts
        self.low_priority += other.low_priority
        self.held_ms += other.held_ms
        self.ran_ms += other.ran_ms
        self.cpu_peak_milli = max(self.cpu_peak_milli, other.cpu_peak_milli)
        self.memory_peak_mib = max(self.memory_peak_mib, other.memory_peak_mib)
        self.hours = [one + more for one, more in zip(self.hours, other.hours, strict=True)]
        self.types |= other.types
        self.days.update(other.days)

    @property
    def may_wait(self) -> bool | None:
        """Only a priority below 0 says so; of others it is unknown."""
        return True if self.low_priority == self.attempts else None


class Costs(NamedTuple):
    """Of a shape, in 30 days."""

    pico: int
    cpu_pico: int
    memory_pico: int


def uses(days: Iterable[Mapping[Shape, Use]]) -> dict[Shape, Use]:
    """Of several days together."""
    found: dict[Shape, Use] = {}
    for day in days:
        for shape, use in day.items():
            found.setdefault(shape, Use()).merge(use)
    return found


def uses_by_day(rows: Iterable[Measured]) -> dict[int, dict[Shape, Use]]:
    found: dict[int, dict[Shape, Use]] = defaultdict(dict)
    for row in rows:
        asked = row.asked
        shape = Shape(asked.project, asked.user, row.pool, asked.cpu_milli, asked.memory_mib, asked.gpu)
        found[row.day_ms].setdefault(shape, Use()).add(row)
    return {day: _largest(by_shape) for day, by_shape in found.items()}


def _largest(found: dict[Shape, Use]) -> dict[Shape, Use]:
    most = sorted(found, key=lambda shape: -sum(shape.weights(found[shape].held_ms)))[:SHAPES_MAX]
    return {shape: found[shape] for shape in most}


def paid(lines: Iterable[Line]) -> dict[Account, int]:
    """Pico-USD of work on machines."""
    found: dict[Account, int] = defaultdict(int)
    for line in lines:
        if line.card == COST and line.kind is Kind.WORKLOAD and line.pico is not None:
            found[line.payer.project, line.payer.user, line.place.pool] += line.pico
    return found


def costs(used: Mapping[Shape, Use], accounts: Mapping[Account, int], days: int) -> dict[Shape, Costs]:
    """`days`: of which the accounts are. Where GPUs are dear, CPU and memory are not more than at list rates."""
    weights = {shape: shape.weights(use.held_ms) for shape, use in used.items()}
    wholes: dict[Account, int] = defaultdict(int)
    for shape, parts in weights.items():
        wholes[shape.account] += sum(parts)
    found = {}
    for shape, parts in weights.items():
        whole = wholes[shape.account]
        pico = accounts.get(shape.account, 0) * MONTH_DAYS
        mine = [pico * part // (whole * days) if whole else 0 for part in parts]
        if shape.gpu:
            mine[:2] = [
                min(each, part * MONTH_DAYS // (MS_PER_HOUR * days))
                for each, part in zip(mine, parts, strict=False)
            ]
        found[shape] = Costs(pico * sum(parts) // (whole * days) if whole else 0, mine[0], mine[1])
    return found


def facts(
    used: Mapping[Shape, Use], cost: Mapping[Shape, Costs], days: int, peaks: Mapping[str, frozenset[int]]
) -> Iterator[tuple[Shape, Use, Fact]]:
    """`peaks`: by pool, as `peak_hours` has them."""
    for shape, use in used.items():
        for fact in (
            _size(shape, use, cost[shape]),
            _tasks(shape, use, cost[shape], days),
            _timing(shape, use, cost[shape], peaks[shape.pool]),
        ):
            yield shape, use, fact


def peak_hours(used: Mapping[Shape, Use]) -> dict[str, frozenset[int]]:
    """By pool, the hours of a day (UTC) in which far more work begins than in the mean."""
    begun: dict[str, list[int]] = defaultdict(lambda: [0] * HOURS)
    for shape, use in used.items():
        weight = sum(shape.weights(use.held_ms)) // max(1, use.attempts)
        for hour, attempts in enumerate(use.hours):
            begun[shape.pool][hour] += attempts * weight
    return {
        pool: frozenset(
            hour
            for hour, each in enumerate(hours)
            if each * HOURS * 100 >= sum(hours) * PEAK_PERCENT and each
        )
        for pool, hours in begun.items()
    }


def _size(shape: Shape, use: Use, cost: Costs) -> Size:
    days = [day for _, day in sorted(use.days.items())]
    cpu = (
        100_000 * day.cpu_ms / (day.cpu_ran_ms * shape.cpu_milli)
        for day in days
        if day.cpu_ran_ms and shape.cpu_milli
    )
    memory = (
        100 * day.memory_peak_mib / shape.memory_mib
        for day in days
        if day.memory_peak_mib and shape.memory_mib
    )
    return Size(
        target=shape.target, cpu_percent=tuple(cpu), memory_percent=tuple(memory), cpu_milli=shape.cpu_milli,
        memory_mib=shape.memory_mib, cpu_peak_milli=use.cpu_peak_milli or None, memory_peak_mib=use.memory_peak_mib or None,
        cpu_monthly_pico=cost.cpu_pico, memory_monthly_pico=cost.memory_pico,
    )  # fmt: skip


def _tasks(shape: Shape, use: Use, cost: Costs, days: int) -> Tasks:
    busy = sum(day.attempts > 100 for day in use.days.values())
    return Tasks(
        target=shape.target, per_day=use.attempts / days, similar_per_hour=use.attempts / (days * HOURS),
        overhead_percent=100 * (use.held_ms - use.ran_ms) / use.held_ms if use.held_ms > 0 else None,
        tolerant=use.may_wait, monthly_pico=cost.pico, evidence=Evidence(observed=len(use.days), supporting=busy),
    )  # fmt: skip


def _timing(shape: Shape, use: Use, cost: Costs, peaks: frozenset[int]) -> Timing:
    at_peak = sum(use.hours[hour] for hour in peaks)
    return Timing(
        target=shape.target, deferrable=use.may_wait, at_peak=2 * at_peak > use.attempts, batch=None, flexible=None,
        monthly_pico=cost.pico, evidence=Evidence(observed=use.attempts, supporting=at_peak),
    )  # fmt: skip


def days_known(lines: Iterable[Line], from_ms: int, to_ms: int) -> int:
    """From the first day with a cost to the end."""
    first = min((line.day_ms for line in lines), default=to_ms)
    return (to_ms - max(first, from_ms)) // DAY_MS
