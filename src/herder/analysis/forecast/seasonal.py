"""Seasons of a series: which periods it has, its seasonal indices, and the series without them. Pure.

Indices are those of classical decomposition: a centred moving average of one period is the trend, and the index of a phase is the median
of what the series has beyond it. The median keeps one odd week out of the pattern.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

#: How many whole periods a season needs before it is believed.
PERIODS_LEAST = 2
#: The autocorrelation at a period, after the trend is taken out, in standard errors: the 90 % test of the M4 competition's benchmarks.
_SIGNIFICANT = 1.645

#: A spike is so many times further from the values around it than usual; one value in so many is one at most.
_FAR, _SPIKES_PART, _AROUND = 15.0, 50, 3


@dataclass(frozen=True, slots=True)
class Seasonal:
    """A series as level × index or level + index. `indices[t % period]`, counted from the first value of the series."""

    period: int
    multiplicative: bool
    indices: tuple[float, ...]

    def without(self, values: Sequence[float]) -> list[float]:
        if self.period == 1:
            return list(values)
        if self.multiplicative:
            return [value / self.indices[t % self.period] for t, value in enumerate(values)]
        return [value - self.indices[t % self.period] for t, value in enumerate(values)]

    def put_back(self, levels: Sequence[float], first: int) -> list[float]:
        """`first`: the place of the first level in the series."""
        if self.period == 1:
            return list(levels)
        if self.multiplicative:
            return [level * self.indices[(first + t) % self.period] for t, level in enumerate(levels)]
        return [level + self.indices[(first + t) % self.period] for t, level in enumerate(levels)]


NONE = Seasonal(1, False, (0.0,))


def periods_of(values: Sequence[float], season: int) -> tuple[int, ...]:
    """The periods that the series shows, of those that make sense: the season itself, and a week where it is a day."""
    wanted = [season]
    if season == 24:
        wanted.append(7 * season)
    return tuple(
        period
        for period in wanted
        if period > 1 and len(values) >= PERIODS_LEAST * period + 1 and _shows(values, period)
    )


def _shows(values: Sequence[float], period: int) -> bool:
    differences = _clipped(
        [after - before for before, after in itertools.pairwise(values)], max(1, len(values) // period // 3)
    )
    mean = fmean(differences)
    centred = [each - mean for each in differences]
    variance = sum(each * each for each in centred)
    if variance <= 0 or len(centred) <= period:
        return False

    def correlation(lag: int) -> float:
        return sum(a * b for a, b in zip(centred, centred[lag:], strict=False)) / variance

    # The standard error grows with the correlations before it (Bartlett); a few of them tell enough.
    before = sum(correlation(lag) ** 2 for lag in range(1, min(period, 12)))
    return correlation(period) > _SIGNIFICANT * math.sqrt((1 + 2 * before) / len(centred))


def _clipped(differences: list[float], odd: int) -> list[float]:
    """The largest and smallest ones no further out than the next: one spike has more variance than all the rest, and would hide a season. What repeats is among more of them than that."""
    if len(differences) <= 2 * odd:
        return differences
    ordered = sorted(differences)
    low, high = ordered[odd], ordered[-1 - odd]
    return [min(max(each, low), high) for each in differences]


def without_spikes(values: Sequence[float], periods: tuple[int, ...]) -> list[float]:
    """Single values that lie far from those around them, beyond the season, are as these are: they come once, and say nothing of what follows."""
    seasonal = decompose(values, periods[-1]) if periods else NONE
    flat = seasonal.without(values)
    near = [
        median([*flat[max(0, t - _AROUND) : t], *flat[t + 1 : t + 1 + _AROUND]]) for t in range(len(flat))
    ]
    off = [abs(value - usual) for value, usual in zip(flat, near, strict=True)]
    ordered, most = sorted(off), max(1, len(off) // _SPIKES_PART)
    bar = max(_FAR * ordered[len(off) // 2], ordered[max(0, len(off) - 1 - most)])
    usual = seasonal.put_back(near, 0)
    return [usual[t] if far > bar else value for t, (value, far) in enumerate(zip(values, off, strict=True))]


def decompose(values: Sequence[float], period: int) -> Seasonal:
    """Indices that average to 1, or to 0 where a value is not positive."""
    count = len(values)
    if period <= 1 or count < PERIODS_LEAST * period:
        return NONE
    multiplicative = min(values) > 0
    trend = _moving_average(values, period)
    by_phase: list[list[float]] = [[] for _ in range(period)]
    for t, level in trend:
        if multiplicative:
            by_phase[t % period].append(values[t] / level)
        else:
            by_phase[t % period].append(values[t] - level)
    if not all(by_phase):
        return NONE
    raw = [median(each) for each in by_phase]
    mean = fmean(raw)
    if multiplicative:
        if mean <= 0 or min(raw) <= 0:
            return NONE
        return Seasonal(period, True, tuple(each / mean for each in raw))
    return Seasonal(period, False, tuple(each - mean for each in raw))


def _moving_average(values: Sequence[float], period: int) -> list[tuple[int, float]]:
    """Pairs (place, average of one period around it). An even period has half weights at both ends."""
    half, even = period // 2, period % 2 == 0
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    found = []
    for t in range(half, len(values) - half):
        if even:
            inner = sums[t + half] - sums[t - half + 1]
            total = inner + (values[t - half] + values[t + half]) / 2
        else:
            total = sums[t + half + 1] - sums[t - half]
        found.append((t, total / period))
    return found
