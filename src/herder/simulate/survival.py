"""Learned run times, as curves of survival: what part of the jobs of a class runs longer than so long.

Called by policies that want ends to fall together, in simulation and live. A class is any hashable key (user, name, shape; or what its
neighbours suggest); one that has been seen too rarely borrows the curve of all jobs. It learns from ends only, and answers with a
whole curve instead of one figure, because run times spread over five orders of magnitude.
"""

from collections.abc import Hashable
from math import log2

#: Boundaries of the curve: 2.5 to a doubling, from 1 s to about half a year.
STEPS_PER_DOUBLING = 2.5
BUCKETS = 61
EDGES_S: tuple[float, ...] = (0.0, *(2 ** (place / STEPS_PER_DOUBLING) for place in range(BUCKETS)))
#: Fewer ends than this say nothing about a class: the curve of all jobs is used.
LEAST_ENDS = 30
#: A curve is drawn anew when so much of it has been added.
RENEW_PART = 0.05
#: Classes remembered; beyond, new ones only count towards all.
CLASSES_MAX = 10_000


class Survival:
    """Of one class. `beyond(age_s)` falls from 1 to 0."""

    __slots__ = ("_curve", "_drawn_at", "_ends", "count")

    def __init__(self) -> None:
        self.count = 0
        self._ends = [0] * BUCKETS
        self._curve: list[float] = []
        self._drawn_at = 0

    def learn(self, run_s: float) -> None:
        self._ends[_bucket(run_s)] += 1
        self.count += 1

    def beyond(self, age_s: float) -> float:
        """The part of jobs that run longer than this; between boundaries a straight line."""
        if not self._curve or self.count > self._drawn_at * (1 + RENEW_PART):
            self._draw()
        place = _bucket(age_s)
        low_s, high_s = EDGES_S[place], EDGES_S[place + 1]
        part = min(1.0, (age_s - low_s) / (high_s - low_s))
        return self._curve[place] + (self._curve[place + 1] - self._curve[place]) * part

    def _draw(self) -> None:
        # Half a job more than has been seen never ends: what outlived all others may go on.
        left = self.count + 0.5
        curve = [1.0]
        for ends in self._ends:
            left -= ends
            curve.append(left / (self.count + 0.5))
        self._curve, self._drawn_at = curve, self.count


class RunTimes:
    """Curves by class, and one of all."""

    __slots__ = ("_classes", "everything")

    def __init__(self) -> None:
        self.everything = Survival()
        self._classes: dict[Hashable, Survival] = {}

    def learn(self, key: Hashable, run_s: float) -> None:
        self.everything.learn(run_s)
        known = self._classes.get(key)
        if known is None:
            if len(self._classes) >= CLASSES_MAX:
                return
            known = self._classes[key] = Survival()
        known.learn(run_s)

    def of(self, key: Hashable) -> Survival:
        known = self._classes.get(key)
        return known if known is not None and known.count >= LEAST_ENDS else self.everything


def _bucket(run_s: float) -> int:
    if run_s < 1.0:
        return 0
    return min(BUCKETS - 1, 1 + int(STEPS_PER_DOUBLING * log2(run_s)))
