"""How long a worker will probably still have work, so that what can end together does: placement fills first the workers
that will live longest anyway, and the others fall empty and can go.

`scheduler/fill_order.py` feeds it with the attempts that ended and asks; simulations do the same. Two things are learned. One
curve of all jobs says what part of them runs longer than so long (their lengths spread over five orders of magnitude, and
the longer one has run, the longer it will). And jobs of a class that were started within a minute of each other run
alike, so that the end of the first says when the others end. On two traces that is nearly as good as knowing all there
is to know of what runs, short of its end. It must never be asked whether a job *may* run, only how long it might; sums are
integers and memory is bounded.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from functools import reduce
from math import erfc, exp, log, log2, sqrt
from operator import mul

from herder.model.ids import ClassId

#: Ends before anything is said at all; until then no worker is told from another.
LEAST_ENDS = 50
#: Ends that count; beyond them all count half, so that the curve follows a change of habit.
ENDS_MAX = 20_000
#: Steps of the curve to a doubling of the run time, and how many there are: from one second to half a year.
STEPS_PER_DOUBLING = 2.5
STEPS = 62
#: The curve is drawn anew when so much of what it stands on has been added.
RENEW_PART = 0.05
#: Times ahead at which the chances are worked out, in seconds: 20 s to 11 days, each 1.76 times the one before.
AHEAD_S = tuple(20.0 * 1.76**step for step in range(20))
_WIDTHS_S = tuple(after - before for before, after in zip((0.0, *AHEAD_S), AHEAD_S, strict=False))
#: Less than this is no difference worth a preference.
LEAST_LEFT_S = 60.0

#: Jobs of one class started within this are siblings. By how far apart they were started (up to so many seconds), the
#: part of them that runs alike; measured on a trace whose jobs have no names (logarithms correlate at 0.97, 0.88, 0.75).
SIBLINGS_S = 60.0
ALIKE = ((1.0, 0.9), (5.0, 0.8), (SIBLINGS_S, 0.65))
#: How alike: the spread of the logarithm of their run times.
SPREAD = 0.15
#: Siblings are of use to what outlives them; shorter ones are not remembered.
SIBLING_LEAST_S = 30.0
#: Ends remembered of a class, and classes; the class that ended nothing for longest is forgotten first.
SIBLINGS_MAX = 64
CLASSES_MAX = 2_000

#: By time ahead: the chance that something is over then.
_Over = tuple[float, ...]


class WorkLeft:
    """What has been learned. Its answers depend on nothing but the ends it was told, in their order, and the question."""

    def __init__(self) -> None:
        self._curve = _Curve()
        self._siblings: dict[ClassId, _Siblings] = {}

    @property
    def knows(self) -> bool:
        return self._curve.count >= LEAST_ENDS

    def learn(self, class_id: ClassId, assigned_at_ms: int, run_ms: int) -> None:
        """A job ended by itself after so long. Jobs that were lost or cancelled say nothing of their length."""
        run_s = run_ms / 1000
        self._curve.learn(run_s)
        if run_s < SIBLING_LEAST_S:
            return
        siblings = self._siblings.pop(class_id, None) or _Siblings()
        self._siblings[class_id] = siblings
        siblings.learn(assigned_at_ms, run_s)
        if len(self._siblings) > CLASSES_MAX:
            del self._siblings[next(iter(self._siblings))]

    def left_ms(self, running: Iterable[tuple[ClassId, int]], now_ms: int) -> int:
        """The mean time until all of these have ended. `running`: class and time of assignment, in order of assignment.
        0 when nothing runs, when too little was learned, or when it is no time to speak of."""
        if not self.knows:
            return 0
        # Siblings end together: of them only the last counts. Others are independent of each other.
        groups: list[_Over] = []
        latest: dict[ClassId, tuple[int, int]] = {}
        for class_id, assigned_at_ms in running:
            over = self._over(class_id, assigned_at_ms, now_ms)
            before, group = latest.get(class_id, (0, -1))
            if group >= 0 and assigned_at_ms - before <= SIBLINGS_S * 1000:
                groups[group] = tuple(map(min, groups[group], over))
            else:
                group = len(groups)
                groups.append(over)
            latest[class_id] = assigned_at_ms, group
        # The mean is the integral of the chance that not all is over yet.
        if not groups:
            return 0
        all_over: _Over = reduce(_both, groups)
        left_s = AHEAD_S[-1] - sum(map(mul, all_over, _WIDTHS_S))
        return round(left_s * 1000) if left_s >= LEAST_LEFT_S else 0

    def _over(self, class_id: ClassId, assigned_at_ms: int, now_ms: int) -> _Over:
        age_s = max(0, now_ms - assigned_at_ms) / 1000
        general = self._curve.over(age_s)
        siblings = self._siblings.get(class_id)
        nearest = siblings.nearest(assigned_at_ms) if siblings is not None else None
        if nearest is None:
            return general
        apart_s, run_s = nearest
        alike = _alike(apart_s)
        # Bayes: what outlived its siblings is less and less likely to be like them.
        z = (log(age_s + 1.0) - log(run_s + 1.0)) / SPREAD
        like = alike * _above(z)
        either = like + (1.0 - alike) * self._curve.part_beyond(age_s)
        if like < 1e-6 * either or either <= 0.0:
            return general
        like /= either
        unlike, ends_at = 1.0 - like, bisect_left(AHEAD_S, _rest_s(run_s, z, age_s))
        return (
            *[unlike * over for over in general[:ends_at]],
            *[like + unlike * over for over in general[ends_at:]],
        )


def _alike(apart_s: float) -> float:
    for most_s, part in ALIKE:
        if apart_s <= most_s:
            return part
    return 0.0


def _both(one: _Over, other: _Over) -> _Over:
    return tuple(map(mul, one, other))


def _above(z: float) -> float:
    return erfc(z / sqrt(2.0)) / 2.0


def _rest_s(run_s: float, z: float, age_s: float) -> float:
    """The mean rest of what runs like a sibling: a log-normal, cut off below at the age."""
    above = _above(z)
    if above < 1e-9:
        return 0.0
    mean_s = exp(log(run_s + 1.0) + SPREAD * SPREAD / 2.0) * _above(z - SPREAD) / above
    return max(0.0, mean_s - age_s)


class _Curve:
    """What part of all jobs runs longer than so long, and what part of those that are so old is over so much later."""

    __slots__ = ("_drawn_at", "_ends", "_over", "_part", "count")

    def __init__(self) -> None:
        self.count = 0
        self._ends = [0] * STEPS
        self._drawn_at = 0
        self._part: list[float] = []
        self._over: dict[int, _Over] = {}
        """By step of the age."""

    def learn(self, run_s: float) -> None:
        self._ends[_step(run_s)] += 1
        self.count += 1
        if self.count > ENDS_MAX:
            self._ends = [ends // 2 for ends in self._ends]
            self.count = sum(self._ends)
            self._draw()
        elif self.count > self._drawn_at * (1 + RENEW_PART):
            self._draw()

    def part_beyond(self, run_s: float) -> float:
        step = _step(run_s)
        low_s, high_s = _EDGES_S[step], _EDGES_S[step + 1]
        part = min(1.0, (run_s - low_s) / (high_s - low_s))
        return self._part[step] + (self._part[step + 1] - self._part[step]) * part

    def over(self, age_s: float) -> _Over:
        """For each time ahead, of the jobs of this age, the part that is over then."""
        step = _step(age_s)
        found = self._over.get(step)
        if found is None:
            middle_s = (_EDGES_S[step] + _EDGES_S[step + 1]) / 2
            now = max(self.part_beyond(middle_s), 1e-12)
            found = tuple(1.0 - self.part_beyond(middle_s + ahead_s) / now for ahead_s in AHEAD_S)
            self._over[step] = found
        return found

    def _draw(self) -> None:
        """When an end is learned, not when something is asked: answers must not depend on earlier questions."""
        # Half a job more than was seen never ends: what outlived all others may go on.
        left = whole = self.count + 0.5
        self._part = [1.0]
        for ends in self._ends:
            left -= ends
            self._part.append(left / whole)
        self._drawn_at = self.count
        self._over.clear()


def _step(run_s: float) -> int:
    return 0 if run_s < 1.0 else min(STEPS - 1, 1 + int(STEPS_PER_DOUBLING * log2(run_s)))


_EDGES_S = (0.0, *(2 ** (step / STEPS_PER_DOUBLING) for step in range(STEPS)))


class _Siblings:
    """The latest ends of one class, by when they had been started."""

    __slots__ = ("_by_start", "_order")

    def __init__(self) -> None:
        self._by_start: list[tuple[int, float]] = []
        self._order: deque[tuple[int, float]] = deque()

    def learn(self, assigned_at_ms: int, run_s: float) -> None:
        if len(self._order) >= SIBLINGS_MAX:
            del self._by_start[bisect_left(self._by_start, self._order.popleft())]
        self._order.append((assigned_at_ms, run_s))
        insort(self._by_start, (assigned_at_ms, run_s))

    def nearest(self, assigned_at_ms: int) -> tuple[float, float] | None:
        """Of the one that was started nearest to this: how far apart, in seconds, and how long it ran; None without siblings."""
        starts = self._by_start
        place = bisect_left(starts, (assigned_at_ms, 0.0))
        if place == len(starts) or (
            place and assigned_at_ms - starts[place - 1][0] <= starts[place][0] - assigned_at_ms
        ):
            place -= 1
        at_ms, run_s = starts[place]
        apart_ms = abs(at_ms - assigned_at_ms)
        return (apart_ms / 1000, run_s) if apart_ms <= SIBLINGS_S * 1000 else None
