"""How long a worker will probably have work. Placement fills the workers with the longest work first, so that the others become idle and
can be removed.

`scheduler/fill_order.py` feeds it with the run times that ended and asks; simulations do the same. One curve is learned: what part of
all jobs runs longer than so long (their lengths spread over five orders of magnitude, and the longer one has run, the longer it
will). Jobs of a class that were started within a minute of each other count as one, since they run alike. It must never be asked
whether a job *may* run, only how long it might; sums are integers and memory is bounded.
"""

from collections.abc import Iterable
from functools import reduce
from math import log2
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

#: Jobs of one class started within this of each other run alike: logarithms of their run times correlate at 0.97 within a second, at 0.75
#: within a minute, on a trace whose jobs have no names.
TOGETHER_MS = 60_000

#: By time ahead: the chance that something is over then.
_Over = tuple[float, ...]


class WorkLeft:
    """What has been learned. Its answers depend on nothing but the ends it was told, in their order, and the question."""

    def __init__(self) -> None:
        self.count = 0
        self._ends = [0] * STEPS
        self._drawn_at = 0
        self._part: list[float] = []
        """The part of all jobs that runs longer than each edge."""
        self._over: dict[int, _Over] = {}
        """By step of the age."""

    @property
    def knows(self) -> bool:
        return self.count >= LEAST_ENDS

    def learn(self, run_ms: int) -> None:
        """A job ended by itself after so long. Jobs that were lost or cancelled say nothing of their length."""
        self._ends[_step(run_ms / 1000)] += 1
        self.count += 1
        if self.count > ENDS_MAX:
            self._ends = [ends // 2 for ends in self._ends]
            self.count = sum(self._ends)
            self._draw()
        elif self.count > self._drawn_at * (1 + RENEW_PART):
            self._draw()

    def left_ms(self, running: Iterable[tuple[ClassId, int]], now_ms: int) -> int:
        """The mean time until all of these have ended. `running`: class and time of assignment, in order of assignment.
        0 when nothing runs, when too little was learned, or when it is no time to speak of."""
        if not self.knows:
            return 0
        # Those started together end together: of them only the last counts. Others are independent of each other.
        groups: list[_Over] = []
        latest: dict[ClassId, tuple[int, int]] = {}
        for class_id, assigned_at_ms in running:
            over = self._over_later(max(0, now_ms - assigned_at_ms) / 1000)
            before, group = latest.get(class_id, (0, -1))
            if group >= 0 and assigned_at_ms - before <= TOGETHER_MS:
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

    def _over_later(self, age_s: float) -> _Over:
        """For each time ahead, of the jobs of this age, the part that is over then."""
        step = _step(age_s)
        found = self._over.get(step)
        if found is None:
            middle_s = (_EDGES_S[step] + _EDGES_S[step + 1]) / 2
            now = max(self._part_beyond(middle_s), 1e-12)
            found = tuple(1.0 - self._part_beyond(middle_s + ahead_s) / now for ahead_s in AHEAD_S)
            self._over[step] = found
        return found

    def _part_beyond(self, run_s: float) -> float:
        step = _step(run_s)
        low_s, high_s = _EDGES_S[step], _EDGES_S[step + 1]
        part = min(1.0, (run_s - low_s) / (high_s - low_s))
        return self._part[step] + (self._part[step + 1] - self._part[step]) * part

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


def _both(one: _Over, other: _Over) -> _Over:
    return tuple(map(mul, one, other))


def _step(run_s: float) -> int:
    return 0 if run_s < 1.0 else min(STEPS - 1, 1 + int(STEPS_PER_DOUBLING * log2(run_s)))


_EDGES_S = (0.0, *(2 ** (step / STEPS_PER_DOUBLING) for step in range(STEPS)))
