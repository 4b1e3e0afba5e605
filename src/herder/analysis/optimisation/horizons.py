"""What the next 30, 90 and 365 days will cost, from the cost of each day so far. Pure; an estimate, no amount of the ledger."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from herder.analysis.forecast.combination import forecast

DAYS = (30, 90, 365)
#: Days without which nothing is said, and the season of daily costs.
LEAST, WEEK = 14, 7


class Horizon(NamedTuple):
    days: int
    mean_pico: int
    low_pico: int
    """As if each day came out at its lower bound (10 %): wider than 80 %, because days do not all err alike."""
    high_pico: int


def horizons(daily_pico: Sequence[int], days: Sequence[int] = DAYS) -> list[Horizon]:
    """`daily_pico`: whole days, oldest first. Empty: fewer than 14 are known."""
    if len(daily_pico) < LEAST:
        return []
    found = forecast([float(each) for each in daily_pico], max(days), WEEK)
    return [
        Horizon(each, _sum(found.mean, each), _sum(found.p10, each), _sum(found.p90, each)) for each in days
    ]


def _sum(values: Sequence[float], count: int) -> int:
    return round(math.fsum(values[:count]))
