"""A score from 0 to 1 for each point of a series, and what is wrong with it. Each point is judged by those before it, as if it had just arrived. Pure.

Four deviations are watched: from the last few points (a spike or a dip), from the same time of earlier days (out of pattern), of the last
hours from the long run (a level shift), and of their movement from the usual one (stuck). Each is compared with its own past (`tails`). After an anomaly the next points are
part of it, unless they are far more improbable: a person is told once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from herder.analysis.anomalies.tails import Tail

#: From this score on a point is an anomaly.
ANOMALY = 0.5
#: Points that are watched before any is judged: a part of the series, and at most so many.
_LEARNING_PART, _LEARNING_MOST = 0.15, 750
#: The length of the windows, in points.
_LOCAL, _SHORT, _LONG = 9, 24, 480
#: Earlier days whose value at the same time is compared.
_DAYS = 14
#: Points after an anomaly that belong to it: a part of the series.
_BELONGS = 0.03


class Kind(StrEnum):
    SPIKE = "spike"
    DIP = "dip"
    PATTERN = "out_of_pattern"
    LEVEL_SHIFT = "level_shift"
    STUCK = "stuck"


@dataclass(frozen=True, slots=True)
class Scored:
    score: float
    kind: Kind | None
    """None: nothing is wrong."""


def scores(values: Sequence[float], season: int = 1) -> list[Scored]:
    """`values`: evenly spaced, oldest first, finite. `season`: values in one day, or 1: no daily pattern is looked for."""
    count = len(values)
    learning = min(int(count * _LEARNING_PART), _LEARNING_MOST)
    belongs = max(3, int(count * _BELONGS))
    bar = _bar(count)
    watched = _Watched(values, season)
    found: list[Scored] = []
    told_at, told_evidence = -belongs, 0.0
    for t in range(count):
        evidence, kind = watched.judge(t)
        score = min(1.0, evidence / (2 * bar))
        if t < learning or score < ANOMALY:
            found.append(Scored(0.0 if t < learning else score, None))
            continue
        if t - told_at < belongs and evidence < told_evidence + 2:
            found.append(Scored(ANOMALY * 0.98, None))
            continue
        told_at, told_evidence = t, evidence
        found.append(Scored(score, kind))
    return found


def _bar(count: int) -> float:
    """The evidence from which a point is an anomaly: one such point in three series of this length by chance."""
    return max(3.0, math.log10(max(1, count)) + 0.5)


class _Watched:
    """The deviations of one series, and the past of each."""

    def __init__(self, values: Sequence[float], season: int) -> None:
        self._values, self._season = values, season
        self._local, self._pattern, self._shift, self._stuck = Tail(), Tail(), Tail(), Tail()
        self._moved = [0.0]
        """Sums of how far the series has moved from point to point."""
        self._off: list[float] = []
        """What each point was beyond its pattern, or the point itself."""

    def judge(self, t: int) -> tuple[float, Kind]:
        """(evidence, what it is evidence of); then the point is part of the past."""
        value = self._values[t]
        before = self._values[max(0, t - _LOCAL) : t]
        jump = value - median(before) if before else 0.0
        usual = self._usual(t)
        off = value - usual if usual is not None else value
        self._off.append(off)
        self._moved.append(self._moved[-1] + (abs(value - self._values[t - 1]) if t else 0.0))
        shift, still = self._shifted(t), self._stillness(t)
        told = [(self._local.evidence(abs(jump)), Kind.SPIKE if jump > 0 else Kind.DIP)]
        self._local.add(abs(jump))
        if usual is not None:
            told.append((self._pattern.evidence(abs(off)), Kind.PATTERN))
            self._pattern.add(abs(off))
        if shift is not None:
            told.append((self._shift.evidence(shift), Kind.LEVEL_SHIFT))
            self._shift.add(shift)
        if still is not None:
            told.append((self._stuck.evidence(still), Kind.STUCK))
            self._stuck.add(still)
        return max(told, key=lambda each: each[0])

    def _usual(self, t: int) -> float | None:
        """The median at the same time of earlier days. None: too few are known."""
        if self._season <= 1 or t < 3 * self._season:
            return None
        earlier = self._values[t % self._season : t : self._season][-_DAYS:]
        return median(earlier)

    def _shifted(self, t: int) -> float | None:
        """How far the last hours lie from the long run before them."""
        if t < _SHORT * 3:
            return None
        recent = self._off[t - _SHORT + 1 :]
        past = self._off[max(0, t - _SHORT - _LONG + 1) : t - _SHORT + 1]
        # Every fourth value of the long run says enough, and sorting them all would cost most of the time.
        return abs(median(recent) - median(past[::4]))

    def _stillness(self, t: int) -> float | None:
        """By how many orders of magnitude the last hours moved less than the long run before them."""
        if t < 4 * _SHORT:
            return None
        moved, first = self._moved, max(0, t - _SHORT - _LONG)
        recent = (moved[t + 1] - moved[t + 1 - _SHORT]) / _SHORT
        past = (moved[t - _SHORT] - moved[first]) / (t - _SHORT - first)
        if past <= 0:
            return 0.0
        return max(0.0, -math.log10(max(recent / past, 1e-3)))
