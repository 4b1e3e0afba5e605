"""How good the expected starts were: corrects the next ones, so that 80 of 100 jobs start inside the interval of 80.

`control/placing.py` notes what was expected of a few waiting jobs and tells it when they started. What no model knows (who
will send jobs tomorrow, how rough the room is) shows in that. Bounded; the same ends give the same corrections.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import exp, log
from statistics import NormalDist

from herder.decide.eta import LEAST_MS, Eta

#: Past answers that count: enough for the tenth of them to mean something, few enough to follow a change.
SCORES_MAX = 400
#: Before anything was seen: as many answers that were exactly as good as the model believes.
FIRST_SCORES = 20
#: An interval is changed by no more than so many times its own width.
SCORE_MOST = 8.0

_NORMAL = NormalDist()
_Z90 = _NORMAL.inv_cdf(0.9)
_FIRST = tuple(_NORMAL.inv_cdf((number + 0.5) / FIRST_SCORES) for number in range(FIRST_SCORES))


@dataclass(slots=True)
class EtaRecord:
    _scores: deque[float] = field(default_factory=lambda: deque(maxlen=SCORES_MAX))
    _late: tuple[float, ...] = ()
    _corrections: tuple[float, float, float] | None = None

    def learn(self, expected: Eta, waited_ms: int) -> None:
        """`expected` as the model had it, before any correction; `waited_ms`: from then to the start."""
        self._scores.append(_score(expected, waited_ms))
        self._corrections = None

    def still_waiting(self, late: Iterable[tuple[Eta, int]]) -> None:
        """Those that should have started by now and have not, with their waits so far: were they left out until they
        start, only the short waits would teach."""
        self._late = tuple(_score(expected, waited_ms) for expected, waited_ms in late)
        self._corrections = None

    def correct(self, expected: Eta) -> Eta:
        """The same interval, as past ones should have been."""
        if expected.p50_ms <= 0:
            return expected
        if self._corrections is None:
            scores = sorted((*_FIRST, *self._scores, *self._late))
            self._corrections = (_quantile(scores, 0.1), _quantile(scores, 0.5), _quantile(scores, 0.9))
        middle, width = max(expected.p50_ms, LEAST_MS), _width(expected)
        low, usual, high = (round(middle * exp(min(width * score, 30.0))) for score in self._corrections)
        return Eta(p10_ms=low, p50_ms=usual, p90_ms=max(high, LEAST_MS))


def _score(expected: Eta, waited_ms: int) -> float:
    score = log(max(waited_ms, LEAST_MS) / max(expected.p50_ms, LEAST_MS)) / _width(expected)
    return max(-SCORE_MOST, min(SCORE_MOST, score))


def _width(expected: Eta) -> float:
    return max(0.1, log(max(expected.p90_ms, LEAST_MS) / max(expected.p50_ms, LEAST_MS)) / _Z90)


def _quantile(scores: list[float], part: float) -> float:
    """Between the two nearest; a little outwards, as a new one belongs among them."""
    place = part * (len(scores) + 1) - 1
    first = max(0, min(len(scores) - 2, int(place)))
    return scores[first] + (scores[first + 1] - scores[first]) * min(1.0, max(0.0, place - first))
