"""Charts as coordinates in a box of 1000 × 240 that is stretched to the width of the page: columns of days, and the use of a budget against its limit. Pure.

Text stands beside the box as HTML, so that it keeps its size on a phone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from herder.web.formatting import milliseconds
from herder.wire.api.budgets import BudgetForecast

WIDTH, HEIGHT = 1000, 240
#: Columns at most; with more days each column is of several.
COLUMNS_MAX = 92
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`work` from the base line upwards, and what is not allocated above it."""

    first: str
    last: str
    work: Decimal
    unallocated: Decimal
    x: float
    width: float
    work_y: float
    work_height: float
    above_y: float
    above_height: float

    @property
    def days(self) -> str:
        return self.first if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def total(self) -> Decimal:
        return self.work + self.unallocated


@dataclass(frozen=True, slots=True, kw_only=True)
class DayChart:
    columns: list[Column]
    top: Decimal
    """What the upper edge stands for."""
    days: int
    days_each: int


def day_chart(
    first: str, last: str, work: Mapping[str, Decimal], unallocated: Mapping[str, Decimal]
) -> DayChart:
    """Of every day from `first` to `last`; a day that is not named has no costs."""
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    days = [(begin + timedelta(days=n)).isoformat() for n in range((end - begin).days + 1)]
    each = -(-len(days) // COLUMNS_MAX)
    groups = [days[at : at + each] for at in range(0, len(days), each)]
    sums = [(_sum(work, group), _sum(unallocated, group)) for group in groups]
    top = nice_top(max((max(a, Decimal(0)) + max(b, Decimal(0)) for a, b in sums), default=Decimal(0)))
    step = WIDTH / max(1, len(groups))
    columns = [
        _column(group, parts, top, place * step, step)
        for place, (group, parts) in enumerate(zip(groups, sums, strict=True))
    ]
    return DayChart(columns=columns, top=top, days=len(days), days_each=each)


def _sum(amounts: Mapping[str, Decimal], days: Sequence[str]) -> Decimal:
    return sum((amounts.get(day, Decimal(0)) for day in days), Decimal(0))


def _column(
    days: Sequence[str], parts: tuple[Decimal, Decimal], top: Decimal, x: float, step: float
) -> Column:
    """What was credited is below zero and is not drawn; the table has it."""
    low, high = (HEIGHT * float(max(each, Decimal(0)) / top) for each in parts)
    gap = min(3.0, step / 4)
    return Column(
        first=days[0], last=days[-1], work=parts[0], unallocated=parts[1],
        x=round(x + gap / 2, 2), width=round(step - gap, 2),
        work_y=round(HEIGHT - low, 2), work_height=round(low, 2),
        above_y=round(HEIGHT - low - high, 2), above_height=round(high, 2),
    )  # fmt: skip


def nice_top(most: Decimal) -> Decimal:
    """At least `most`, and a number of one digit: 1, 2, 4, 5, 8 or 10 times a power of ten, whose half is as short. 1 for nothing."""
    if most <= 0:
        return Decimal(1)
    power = Decimal(10) ** math.floor(most.log10())
    return next(power * each for each in (1, 2, 4, 5, 8, 10) if power * each >= most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A line across the chart."""

    words: str
    y: float
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChart:
    used: str
    """The points of a polyline."""
    mean: str
    """Of the expected use, from now on; empty: unknown."""
    band: str
    """The polygon between p10 and p90; empty: unknown."""
    limit: Level | None
    thresholds: list[Level]
    now_x: float
    first: str
    last: str
    top: Decimal


def budget_chart(forecast: BudgetForecast) -> BudgetChart:
    """What is used of the period over its days, and what is expected until its end."""
    now_ms = milliseconds(forecast.at)
    points = _used_points(forecast, now_ms)
    start_ms = min(points[0][0], now_ms)
    end_ms = (
        milliseconds(forecast.period_end) if forecast.period_end else now_ms + forecast.horizon_days * DAY_MS
    )
    ends = _ends(forecast)
    limit = None if forecast.limit is None else Decimal(forecast.limit)
    top = nice_top(max([Decimal(forecast.used), *ends, limit or Decimal(0), *(each for _, each in points)]))

    def x(at_ms: float) -> float:
        return round(WIDTH * (at_ms - start_ms) / max(1, end_ms - start_ms), 1)

    def y(amount: Decimal) -> float:
        return round(HEIGHT * (1 - float(amount / top)), 1)

    now = (x(now_ms), y(Decimal(forecast.used)))
    low, mean, high = ((WIDTH, y(each)) for each in ends) if ends else (None, None, None)
    return BudgetChart(
        used=_joined([(x(at), y(amount)) for at, amount in points]),
        mean=_joined([now, mean]) if mean else "",
        band=_joined([now, high, low]) if low and high else "",
        limit=None if limit is None else Level(words="limit", y=y(limit), amount=limit),
        thresholds=[
            Level(words=f"{percent} %", y=y(limit * percent / 100), amount=limit * percent / 100)
            for percent in forecast.thresholds
            if limit is not None and percent < 100
        ],
        now_x=now[0], first=_day(start_ms), last=_day(end_ms), top=top,
    )  # fmt: skip


def _used_points(forecast: BudgetForecast, now_ms: int) -> list[tuple[int, Decimal]]:
    """What was used at the end of each day that the ledger knows, and now. It begins at nothing.

    What the ledger has above the use that the budget counted is older than the budget: its first days are not counted.
    """
    days = {milliseconds(f"{day}T00:00:00+00:00"): Decimal(spent) for day, spent in forecast.by_day.items()}
    start_ms = milliseconds(forecast.period_start) if forecast.period_start else min(days, default=now_ms)
    used = Decimal(forecast.used)
    points, sum_so_far = [(start_ms, Decimal(0))], min(Decimal(0), used - sum(days.values(), Decimal(0)))
    for day_ms, spent in sorted(days.items()):
        sum_so_far += spent
        points.append((min(day_ms + DAY_MS, now_ms), max(Decimal(0), sum_so_far)))
    return [*points, (now_ms, used)]


def _ends(forecast: BudgetForecast) -> list[Decimal]:
    """p10, mean and p90 at the right edge; empty: unknown."""
    if forecast.period_end and forecast.at_period_end is not None:
        found = forecast.at_period_end
        return [Decimal(each) for each in (found.p10, found.mean, found.p90)]
    if not forecast.period_end and forecast.in_horizon is not None:
        ahead, used = forecast.in_horizon, Decimal(forecast.used)
        return [used + Decimal(each) for each in (ahead.p10, ahead.mean, ahead.p90)]
    return []


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _day(at_ms: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=at_ms // DAY_MS)).isoformat()
