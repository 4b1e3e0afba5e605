"""Corrects expected starts by past errors, so that 80 % of the jobs start within the 80 % interval.

`scheduler/calibration.py` notes what was expected of some waiting jobs and tells it when they started. What no model knows (who
will send jobs tomorrow, what slips through where wide jobs wait, how long boots take) shows in that. Two things are learned:
how far off answers for jobs like this one were (the nearest past ones by time, by size beside a worker, and by size beside
the others that wait), and how often the told intervals held: the levels at which they are read move by that, as in adaptive
conformal inference (Gibbs and Candès 2021), each end on its own. Bounded; the same ends give the same corrections.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from heapq import nsmallest
from math import exp, log
from operator import itemgetter
from statistics import NormalDist

from herder.decide.forecast.start_time import LEAST_MS, Eta

#: Past answers that count.
SCORES_MAX = 600
#: Of these so many that are most like the one that is asked for.
NEAREST = 60
#: Before anything like it was seen: answers that were exactly as good as the model believes, and what one of them is worth.
FIRST_SCORES = 10
FIRST_WORTH = 0.5
#: Part of the jobs that may start before the interval, and after it.
MISSES = 0.1
#: Each answer that is settled moves a level by so much of its miss; the first ones by more, while little is known.
PACE = 0.01
PACE_FIRST = 3.0
PACE_FIRST_FOR = 50
#: A level goes no further in than this: the interval keeps a fifth of the cases.
LEVEL_MOST = 0.4
#: Beyond everything that was seen, the interval reaches further out by this (in logarithms of the time).
BEYOND = 0.5
#: An answer is no further off than so many powers of e.
SCORE_MOST = 10.0
#: How much a factor of e in time, and a factor of 2 in either size, tells two jobs apart.
TIME_APART, SIZE_APART = 1.0, 0.7
#: Answers that agree to this part of a step are corrected alike.
KNOWN_MAX = 4_096

_NORMAL = NormalDist()
_Z90 = _NORMAL.inv_cdf(0.9)
_FIRST = tuple(_NORMAL.inv_cdf((number + 0.5) / FIRST_SCORES) for number in range(FIRST_SCORES))

_Likeness = tuple[float, ...]
_Score = tuple[_Likeness, float]


class End(Enum):
    """Of an interval."""

    EARLY = "early"
    LATE = "late"


@dataclass(slots=True)
class EtaRecord:
    _scores: deque[_Score] = field(default_factory=lambda: deque(maxlen=SCORES_MAX))
    _levels: dict[End, float] = field(default_factory=lambda: dict.fromkeys(End, MISSES))
    """The part of like cases that may start earlier than the interval, and later."""
    _settled: int = 0
    _known: dict[tuple[float, ...], tuple[float, float, float]] = field(default_factory=dict)

    def learn(self, expected: Eta, waited_ms: int) -> None:
        """`expected` as the model had it, before any correction; `waited_ms`: from then to the start."""
        self._scores.append((_likeness(expected), _score(expected, waited_ms)))
        self._known.clear()

    def settle(self, end: End, missed: bool) -> None:
        """Whether a job, of which an interval was told, kept this end of it: known for the early end when that passes, for
        the late one at the latest then."""
        pace = PACE * (1.0 + PACE_FIRST / (1.0 + self._settled / (2 * PACE_FIRST_FOR)))
        level = self._levels[end] + pace * (MISSES - missed)
        self._levels[end] = min(LEVEL_MOST, max(0.0, level))
        self._settled += 1
        self._known.clear()

    def correct(self, expected: Eta) -> Eta:
        """The same interval, as past ones should have been."""
        if expected.p50_ms <= 0:
            return expected
        middle = max(expected.p50_ms, LEAST_MS)
        low, usual, high = (
            round(middle * exp(min(score, 30.0))) for score in self._corrections(expected, middle)
        )
        return Eta(p10_ms=low, p50_ms=usual, p90_ms=max(high, LEAST_MS))

    def _corrections(self, expected: Eta, middle: int) -> tuple[float, float, float]:
        like = tuple(round(4 * part) / 4 for part in _likeness(expected))
        width = round(8 * max(0.1, log(max(expected.p90_ms, middle) / middle) / _Z90)) / 8
        known = self._known.get((width, *like))
        if known is None:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            known = self._known[width, *like] = self._quantiles(like, width)
        return known

    def _quantiles(self, like: _Likeness, width: float) -> tuple[float, float, float]:
        # Of those equally near the newest count: what was habit once is forgotten.
        nearest = nsmallest(
            NEAREST,
            (
                (sum(abs(a - b) for a, b in zip(like, other, strict=True)), score)
                for other, score in reversed(self._scores)
            ),
            key=itemgetter(0),
        )
        scores = [(score, 1.0 / (1.0 + 4.0 * apart * apart)) for apart, score in nearest]
        scores += [(width * score, FIRST_WORTH) for score in _FIRST]
        scores.sort()
        early, late = self._levels[End.EARLY], 1.0 - self._levels[End.LATE]
        low, usual, high = (_quantile(scores, part) for part in (early, 0.5, late))
        return min(low, usual), usual, max(high, usual)


def _score(expected: Eta, waited_ms: int) -> float:
    score = log(max(waited_ms, LEAST_MS) / max(expected.p50_ms, LEAST_MS))
    return max(-SCORE_MOST, min(SCORE_MOST, score))


def _likeness(expected: Eta) -> _Likeness:
    time = TIME_APART * log(max(expected.p50_ms, LEAST_MS))
    return time, SIZE_APART * expected.beside_worker, SIZE_APART * expected.beside_others


def _quantile(scores: Sequence[tuple[float, float]], part: float) -> float:
    """Of scores, sorted, with their worths: between the middles of two."""
    if part <= 0.001:
        return scores[0][0] - BEYOND
    if part >= 0.999:
        return scores[-1][0] + BEYOND
    wanted = part * sum(worth for _, worth in scores)
    passed, last, last_at = 0.0, scores[0][0], 0.0
    for score, worth in scores:
        at = passed + worth / 2
        if at >= wanted:
            return last + (score - last) * (wanted - last_at) / (at - last_at) if at > last_at else score
        last, last_at, passed = score, at, passed + worth
    return last
