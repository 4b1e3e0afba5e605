"""How a sum grows from now on, from the amounts of each whole day so far. Pure; an estimate, no amount of the ledger."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from herder.analysis.forecast.combination import forecast
from herder.analysis.optimisation.horizons import LEAST, WEEK

DAY_MS = 86_400_000


class Estimate(NamedTuple):
    """Base units. p10 and p90 are as if each day came out at its bound: wider than 80 %, because days do not all err alike."""

    mean: int
    p10: int
    p90: int


class Growth(NamedTuple):
    """For each series: what comes by the end of today, then by the end of each day after it. All three have the same length."""

    today_left_ms: int
    mean: tuple[float, ...]
    p10: tuple[float, ...]
    p90: tuple[float, ...]

    def after(self, ms: int) -> Estimate:
        """What comes in the next `ms`, which are within the days that were asked for."""
        return Estimate(*(round(self._at(series, ms)) for series in (self.mean, self.p10, self.p90)))

    def reaches(self, series: Sequence[float], amount: int, within_ms: int) -> int | None:
        """In how many ms a series has come to the amount; 0: at once. None: not within that time."""
        if amount <= 0:
            return 0
        before = 0.0
        for day, sum_ in enumerate(series):
            begin_ms = self._begin_ms(day)
            if begin_ms >= within_ms:
                return None
            if sum_ >= amount:
                length_ms = self.today_left_ms if day == 0 else DAY_MS
                found = begin_ms + math.ceil(length_ms * (amount - before) / (sum_ - before))
                return found if found <= within_ms else None
            before = sum_
        return None

    def _begin_ms(self, day: int) -> int:
        return 0 if day == 0 else self.today_left_ms + (day - 1) * DAY_MS

    def _at(self, series: Sequence[float], ms: int) -> float:
        if ms <= self.today_left_ms:
            return series[0] * ms / self.today_left_ms
        day, rest = divmod(ms - self.today_left_ms, DAY_MS)
        return series[day] + (series[day + 1] - series[day]) * rest / DAY_MS if rest else series[day]


def growth(daily: Sequence[int], ms: int, today_left_ms: int) -> Growth | None:
    """`daily`: whole days before today, oldest first. For the next `ms`; what is left of today counts as that part of a day. None: fewer than 14 days are known."""
    if len(daily) < LEAST:
        return None
    days = 1 + max(0, -(-(ms - today_left_ms) // DAY_MS))
    found = forecast([float(each) for each in daily], days, WEEK)
    return Growth(
        today_left_ms, *(_sums(series, today_left_ms) for series in (found.mean, found.p10, found.p90))
    )


def _sums(series: Sequence[float], today_left_ms: int) -> tuple[float, ...]:
    return tuple(accumulate([series[0] * today_left_ms / DAY_MS, *series[1:]]))
