"""How improbable a deviation is, given all before it: peaks over a threshold (Siffer et al. 2017, "Anomaly detection in streams with extreme
value theory"). Pure; used by `scores`.

Deviations of load are heavy-tailed, so a normal distribution calls every busy hour an anomaly. The largest fiftieth of the past deviations
is fitted with a generalised Pareto distribution by its moments instead.
"""

import math
from bisect import bisect_right, insort
from itertools import islice

#: The part of the past that is the tail.
TAIL = 0.02
#: The shape is kept in this range: below, the fit is bounded and everything beyond impossible; above, the mean does not exist.
_SHAPE_LEAST, _SHAPE_MOST = -0.3, 0.45
#: How often the fit is made again, in points.
_FIT_EVERY = 8
_LEAST_KNOWN = 30


class Tail:
    """Deviations so far, none negative. `evidence` asks, `add` learns."""

    __slots__ = ("_known", "_scale", "_shape", "_since_fit", "_threshold")

    def __init__(self) -> None:
        self._known: list[float] = []
        self._threshold, self._scale, self._shape = 0.0, 0.0, 0.0
        self._since_fit = _FIT_EVERY

    def evidence(self, deviation: float) -> float:
        """-log10 of the probability of a deviation as large, by what is known. 0 while little is known."""
        if len(self._known) < _LEAST_KNOWN:
            return 0.0
        self._fit()
        if deviation <= self._threshold:
            above = len(self._known) - bisect_right(self._known, deviation)
            return -math.log10(max(above, 1) / len(self._known))
        excess = (deviation - self._threshold) / self._scale if self._scale > 0 else math.inf
        if not math.isfinite(excess):
            return 20.0
        if abs(self._shape) < 1e-6:
            return min(20.0, -math.log10(TAIL) + excess / math.log(10))
        inside = 1 + self._shape * excess
        if inside <= 0:
            return 20.0
        return min(20.0, -math.log10(TAIL) + math.log10(inside) / self._shape)

    def add(self, deviation: float) -> None:
        insort(self._known, deviation)
        self._since_fit += 1

    def _fit(self) -> None:
        if self._since_fit < _FIT_EVERY:
            return
        self._since_fit = 0
        count = len(self._known)
        first = min(count - 4, int(count * (1 - TAIL)))
        self._threshold = self._known[first]
        excesses = [value - self._threshold for value in islice(self._known, first + 1, None)]
        mean = sum(excesses) / len(excesses)
        variance = sum((each - mean) ** 2 for each in excesses) / len(excesses)
        ratio = mean * mean / variance if variance > 0 else 1.0
        self._shape = min(max((1 - ratio) / 2, _SHAPE_LEAST), _SHAPE_MOST)
        self._scale = mean * (1 - self._shape)
