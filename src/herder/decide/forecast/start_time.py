"""The expected start of a waiting job, as quantiles: the times by which 10, 50 and 90 of 100 such jobs have started.

Called for `herder job explain` and by simulations. `Outlook` is made once for all classes that may use the same places:
`queue_order` says how much starts before each job, `release_curve` how much is free by when, and a job starts when the second
reaches the first, in the resource that is shortest for it. All of it is counted by classes, never job by job. It promises
nothing: jobs that others have yet to send are not in it, nor are failures; `calibration` learns from what came how much
that matters. Where nothing can be said it answers None.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, log, log2, sqrt

from herder.decide.forecast.queue_order import Held, Order
from herder.decide.forecast.release_curve import Coming, Curve, Ending, curve_of, few_kinds
from herder.decide.forecast.run_times import RunTime
from herder.model.ids import UserName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import ZERO, Resources
from herder.model.values.vectors import total_of
from herder.model.work.job import JobClass

__all__ = ["LEAST_MS", "Coming", "Ending", "Eta", "ForecastInput", "Held", "Outlook"]

#: Doubt that no run time knows of: jobs yet to come, failures, rooms too narrow. A spread of the logarithm of the time,
#: set so that simulated fleets start 75 to 85 of 100 jobs in the interval of 80 (`tests/placement/test_eta.py`).
DOUBT = 1.2
#: No interval is narrower than this at its upper end: hand-over, poll, start.
LEAST_MS = 1_000

_Z90 = 1.2815515655446004


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInput:
    """What the jobs may use, and who wants it. `rivals` has the class that is asked for too. `free`: amounts with how many
    workers have just so much free, and slots for it."""

    total: Resources
    free: Sequence[tuple[Resources, int]]
    endings: Sequence[Ending]
    coming: Sequence[Coming]
    rivals: Sequence[QueuedClass]
    users: dict[UserName, Held]
    guess: Callable[[JobClass], RunTime]
    largest: Resources = ZERO
    """The most that one worker has, in each resource; zeros: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """Milliseconds from now. The rest says which past answers were for jobs like it: for `eta_record`."""

    p10_ms: int
    p50_ms: int
    p90_ms: int
    beside_worker: float = 0.0
    """How large the job is in what is short, as a logarithm to base 2: beside the largest worker,"""
    beside_others: float = 0.0
    """and beside what waits on the average: the small slip through where the large must wait."""


@dataclass(slots=True, kw_only=True)
class Outlook:
    """Answers for all classes of one scene. What they have in common is worked out when it is first needed."""

    forecast_input: ForecastInput
    _order: Order | None = None
    _curves: dict[int, tuple[float, Curve]] = field(default_factory=dict)
    """By resource, and how much of the queue it is followed through: for one job no further than its place."""
    _doubt: float | None = None
    _all: Resources | None = None
    _free: dict[Resources, int] = field(default_factory=dict)
    """By request: for how many of them there is room now."""

    def start(self, target: QueuedClass, before: int) -> Eta | None:
        """Of the job that has `before` others of its class in front of it; `target` is one of the rivals. None: nothing is known that would
        free room."""
        forecast_input = self.forecast_input
        order = self._order
        if order is None:
            order = self._order = Order(forecast_input.rivals, forecast_input.users, forecast_input.total)
        request = target.job_class.request
        there = self._there()
        if not request.fits_in(there):
            return None
        ahead = order.ahead(target.class_id, before)
        places = self._places(request)
        late = {
            dimension: ahead[dimension] - request[dimension] * places
            for dimension in range(min(len(there), len(ahead), len(request)))
            if there[dimension] > 0 and ahead[dimension] > 0
        }
        short = max(late, key=lambda dimension: late[dimension] / there[dimension], default=None)
        if short is None or late[short] <= 0:
            return Eta(p10_ms=0, p50_ms=0, p90_ms=LEAST_MS)
        if not forecast_input.endings and not forecast_input.coming:
            return None
        return self._read(short, late[short], request[short])

    def _there(self) -> Resources:
        """What will be there when all that is coming has come."""
        if self._all is None:
            self._all = total_of(
                (coming.amount for coming in self.forecast_input.coming), self.forecast_input.total
            )
        return self._all

    def _places(self, request: Resources) -> int:
        """What is free here and there is no room for a job that needs it in one place."""
        found = self._free.get(request)
        if found is None:
            found = self._free[request] = sum(
                request.how_many_in(free) * workers for free, workers in self.forecast_input.free
            )
        return found

    def _read(self, dimension: int, needed: float, request: int) -> Eta | None:
        low, middle, high = self._curve(dimension, needed).when(needed)
        if middle == inf:
            return None
        eta = _with_doubt(low, middle, middle if high == inf else high, self._doubts())
        largest, order = self.forecast_input.largest.at(dimension), self._order
        assert order is not None
        usual = order.all[dimension] / max(1, order.jobs)
        return replace(
            eta,
            beside_worker=log2(max(1, request) / largest) if largest > 0 else 0.0,
            beside_others=log2(max(1, request) / usual) if usual > 0 else 0.0,
        )

    def _curve(self, dimension: int, needed: float) -> Curve:
        known = self._curves.get(dimension)
        if known is None or needed > known[0]:
            forecast_input, order = self.forecast_input, self._order
            assert order is not None
            enough = needed if known is None else max(needed, order.all[dimension])
            stands = few_kinds(self._weights(dimension))
            curve = curve_of(
                dimension,
                forecast_input.endings,
                forecast_input.coming,
                order.mixes(dimension, lambda job_class: stands[forecast_input.guess(job_class)]),
                grain=max(1.0, order.all[dimension] / max(1, order.jobs)),
                enough=enough,
            )
            known = self._curves[dimension] = enough, curve
        return known[1]

    def _weights(self, dimension: int) -> dict[RunTime, float]:
        found: dict[RunTime, float] = {}
        for queued in self.forecast_input.rivals:
            run = self.forecast_input.guess(queued.job_class)
            found[run] = found.get(run, 0.0) + queued.job_class.request[dimension] * queued.count
        return found

    def _doubts(self) -> float:
        """How unsure the run times are that it stands on, and what no run time knows."""
        if self._doubt is None:
            known = [(ending.count, ending.run_time) for ending in self.forecast_input.endings]
            known += [
                (queued.count, self.forecast_input.guess(queued.job_class))
                for queued in self.forecast_input.rivals
            ]
            unsure = sum(count * run.spread / sqrt(2.0 + run.ends) for count, run in known)
            self._doubt = sqrt((unsure / max(1, sum(count for count, _ in known))) ** 2 + DOUBT**2)
        return self._doubt


def _with_doubt(low: float, middle: float, high: float, doubt: float) -> Eta:
    """The interval widened on both sides by what the run times themselves are unsure of."""
    middle = max(middle, 1.0)
    up = sqrt(max(0.0, log(max(high, middle) / middle)) ** 2 + (_Z90 * doubt) ** 2)
    down = sqrt(log(middle / min(max(low, middle / 1e3), middle)) ** 2 + (_Z90 * doubt) ** 2)
    return Eta(
        p10_ms=round(middle * exp(-down)) if low > 0 else 0,
        p50_ms=round(middle),
        p90_ms=max(LEAST_MS, round(middle * exp(up))),
    )
