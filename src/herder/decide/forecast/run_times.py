"""Learned run times: how long similar jobs have taken, with the uncertainty. Used for backfill and for expected starts.

`scheduler/placement.py` feeds it with the attempts that ended; simulations do the same. Users' own limits are useless as a
guess (a median of 5 % of them is used), so only what was seen counts. Times are taken as log-normal; what is known of a
user's jobs of one shape stands on what is known of all jobs of the user, and that on all jobs: one job seen is already
worth something, and one strange job does not mislead for long. Sums are integers, so that the same ends give the same
estimates on every machine; memory is bounded. It must never be asked whether a job *may* run, only how long it might.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import erfc, exp, log, log2, sqrt
from statistics import NormalDist

from herder.model.work.job import JobClass

#: Kinds of jobs remembered; the one that ended nothing for longest is forgotten first. About 300 bytes each.
KINDS_MAX = 20_000
#: Ends of one kind that count; beyond them all count half, so that a change of habit shows after some dozen jobs.
ENDS_MAX = 64
#: Each more general kind remembers so many times more of them.
GENERAL_TIMES = 8
#: What the more general kind is worth beside the ends of the special one, in ends.
GENERAL_WEIGHT = 2.0
#: Before anything was seen: a minute, give or take a factor of seven.
FIRST_MEDIAN_MS = 60_000
FIRST_SPREAD = 2.0
#: No kind is taken for more regular than this (about 15 %).
LEAST_SPREAD = 0.15
#: Logarithms to base 2 are counted in these parts.
PARTS = 4096

_LN2 = log(2.0)
_NORMAL = NormalDist()


@lru_cache(maxsize=256)
def _z(probability: float) -> float:
    return _NORMAL.inv_cdf(probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """A log-normal guess. `mean`, `spread`: of the natural logarithm of milliseconds. `ends`: how many jobs it stands on."""

    mean: float
    spread: float
    ends: int

    def quantile_ms(self, probability: float) -> int:
        """So long or shorter with that probability."""
        return round(exp(min(self.mean + self.spread * _z(probability), 60.0)))

    def residual_ms(self, probability: float, elapsed_ms: int) -> int:
        """The same for what is left of a job that has run for so long and not ended."""
        if elapsed_ms <= 0:
            return self.quantile_ms(probability)
        at = (log(elapsed_ms) - self.mean) / self.spread
        surviving = erfc(at / sqrt(2.0)) / 2.0 * (1.0 - probability)
        if surviving > 1e-12:
            return max(
                0, round(exp(min(self.mean - self.spread * _NORMAL.inv_cdf(surviving), 60.0))) - elapsed_ms
            )
        # Far longer than any job like it: the tail of a normal falls as an exponential there.
        return round(elapsed_ms * (exp(min(self.spread * -log(1.0 - probability) / at, 20.0)) - 1.0))


@dataclass(slots=True)
class _Ends:
    count: int = 0
    total: int = 0
    squares: int = 0


Kind = Hashable
#: What is known of jobs in general.
ALL_JOBS: tuple[Kind, ...] = ("",)


def kinds_of(job_class: JobClass) -> tuple[Kind, ...]:
    """From the special to the general: the user's jobs of this shape, all of the user's, all."""
    user = job_class.user
    return (user, job_class.runtime, job_class.request), (user, job_class.runtime), ""


class RunTimes:
    """What has been learned. Bounded; its answers depend on nothing but the ends it was told, in their order."""

    def __init__(self) -> None:
        self._ends: dict[Kind, _Ends] = {}
        self._known: dict[tuple[Kind, ...], RunTime] = {}

    def learn(self, kinds: Sequence[Kind], run_ms: int) -> None:
        """A job ended by itself after so long. Jobs that were lost or cancelled say nothing of their length."""
        value = round(log2(max(1, run_ms)) * PARTS)
        most = ENDS_MAX // GENERAL_TIMES
        for kind in kinds:
            most *= GENERAL_TIMES
            ends = self._ends.pop(kind, None) or _Ends()
            self._ends[kind] = ends
            ends.count += 1
            ends.total += value
            ends.squares += value * value
            if ends.count > most:
                ends.count, ends.total, ends.squares = (
                    ends.count // 2,
                    ends.total * (ends.count // 2) // ends.count,
                    ends.squares * (ends.count // 2) // ends.count,
                )
        if len(self._ends) > KINDS_MAX:
            del self._ends[next(iter(self._ends))]
        self._known.clear()

    def guess(self, kinds: tuple[Kind, ...]) -> RunTime:
        """Never fails: of what was never seen it knows only the general."""
        found = self._known.get(kinds)
        if found is None:
            if len(self._known) >= KINDS_MAX:
                self._known.clear()
            found = self._known[kinds] = self._guess(kinds)
        return found

    def _guess(self, kinds: Sequence[Kind]) -> RunTime:
        mean, variance, special = log(FIRST_MEDIAN_MS), FIRST_SPREAD**2, 0
        for kind in reversed(kinds):
            ends = self._ends.get(kind)
            special = ends.count if ends else 0
            if ends is None:
                continue
            count = ends.count
            own = ends.total / count / PARTS * _LN2
            # The sum of squares about the mean, exact in integers before it becomes a float.
            about = (ends.squares * count - ends.total**2) / count / PARTS**2 * _LN2**2
            weight = GENERAL_WEIGHT + count
            apart = GENERAL_WEIGHT * count / weight * (own - mean) ** 2
            variance = (GENERAL_WEIGHT * variance + about + apart) / weight
            mean = (GENERAL_WEIGHT * mean + count * own) / weight
        doubt = 1.0 + 1.0 / (GENERAL_WEIGHT + special)
        return RunTime(mean=mean, spread=max(LEAST_SPREAD, sqrt(max(0.0, variance) * doubt)), ends=special)
