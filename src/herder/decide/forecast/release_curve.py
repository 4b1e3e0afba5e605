"""How much of one resource becomes free over time: from running attempts, from starting workers, and from jobs that start and end in
between.

Made once for a scene and a resource by `start_time.py`; all classes read the same curve, each where its place in the order lies.
Steps of time grow by a fixed factor, from a second to years; within a step what starts and ends again is reckoned exactly
(the integral of the run time's distribution), so that deep queues of short jobs drain at the mean rate at which capacity
comes back. It is a fluid with a spread beside it, not a simulation of jobs.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import erfc, exp, inf, log, sqrt

from herder.decide.forecast.queue_order import Mix
from herder.decide.forecast.run_times import RunTime
from herder.model.values.resources import Resources

#: The first step ends here: nobody is told a shorter time.
FIRST_MS = 1_000.0
#: Each further one is longer by this factor; the last ends after some thirty years.
GROWTH = 1.4
STEPS = 61
#: A mean run time is reckoned with no wider spread: the far tail of what was hardly ever seen would decide it.
SPREAD_MOST = 1.5
#: No more kinds of run times, and of ends, are told apart than this; beyond it what is alike is put together.
KINDS_MOST = 24
ENDS_MOST = 200
#: So often the part of a step's starts that ends within it is worked out from the mix that this gives.
TRIES = 3
#: So many spreads above the mean everything has ended.
SURELY = 3.5

TIMES = (0.0, *(FIRST_MS * GROWTH**number for number in range(STEPS)))
_ROOT2 = sqrt(2.0)
_Z90 = 1.2815515655446004


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """`count` live attempts that free `amount` each, on workers the job may use."""

    amount: Resources
    run_time: RunTime
    elapsed_ms: int
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """Room of workers that are on their way or that the next plan makes: after `in_ms`, up to `give_ms` sooner or later."""

    amount: Resources
    in_ms: int
    give_ms: int | None = None
    """None: half of `in_ms`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """By step of TIMES: the amount that has become free by then, of those who are early, in the middle and late: with 90,
    50 and 10 of 100 chances at least so much. Never falls."""

    early: tuple[float, ...]
    middle: tuple[float, ...]
    late: tuple[float, ...]

    def when(self, needed: float) -> tuple[float, float, float]:
        """Milliseconds until so much is free, with 10, 50 and 90 of 100 chances; inf: not within the steps."""
        return _when(self.early, needed), _when(self.middle, needed), _when(self.late, needed)


def _when(amounts: Sequence[float], needed: float) -> float:
    step = bisect_left(amounts, needed)
    if step >= len(amounts):
        return inf
    if not step:
        return 0.0
    below = amounts[step - 1]
    part = (needed - below) / (amounts[step] - below)
    return TIMES[step - 1] + (TIMES[step] - TIMES[step - 1]) * part


def curve_of(
    dimension: int,
    endings: Iterable[Ending],
    coming: Iterable[Coming],
    mixes: Sequence[Mix],
    grain: float,
    enough: float,
) -> Curve:
    """`mixes`: what starts as room comes. `grain`: the usual amount of one job. It stops when `enough` is surely free."""
    first, spread = _first(dimension, endings, coming)
    freed, variance = [0.0], [0.0]
    line, again = _Mixes(mixes), _Again()
    for step in range(1, len(TIMES)):
        before = freed[-1]
        base = max(0.0, first[step] + again.returned(step) - before)
        started = base
        for _ in range(TRIES):
            # What starts within the step ends within it, in part, and so does what takes its place.
            parts = line.between(before, before + started)
            ended = sum(amount * again.at_once(step, run) for run, amount in parts.items())
            started = base / max(1e-6, 1.0 - ended / started) if started > 0 else 0.0
        parts = line.between(before, before + started)
        again.start(step, parts)
        there = before + started
        freed.append(there)
        variance.append(spread[step] + max(0.0, there - first[step]) * grain)
        if there > enough + 3.0 * sqrt(variance[-1]) + grain:
            break
    return _curve(freed, variance, grain)


def _curve(freed: Sequence[float], variance: Sequence[float], grain: float) -> Curve:
    wide = [_Z90 * max(sqrt(max(0.0, each)), grain / 4) for each in variance]
    return Curve(
        early=tuple(accumulate((mean + more for mean, more in zip(freed, wide, strict=True)), max)),
        middle=tuple(accumulate(freed, max)),
        late=tuple(accumulate((mean - less for mean, less in zip(freed, wide, strict=True)), max)),
    )


def _first(
    dimension: int, endings: Iterable[Ending], coming: Iterable[Coming]
) -> tuple[list[float], list[float]]:
    """What runs now and what is on its way: mean and variance of what it has freed by each step."""
    groups = _alike(dimension, endings)
    arrivals = [
        (float(each.amount[dimension]), max(0.0, each.in_ms - give), max(1.0, 2.0 * give))
        for each in coming
        if each.amount[dimension] > 0
        for give in (each.in_ms / 2 if each.give_ms is None else float(each.give_ms),)
    ]
    means, variances = [], []
    for at in TIMES:
        mean = variance = 0.0
        for amount, squares, run, elapsed in groups:
            chance = ended_by(run, elapsed, at)
            mean += amount * chance
            variance += squares * chance * (1.0 - chance)
        for amount, begin, long in arrivals:
            chance = min(1.0, max(0.0, (at - begin) / long))
            mean += amount * chance
            variance += amount * amount * chance * (1.0 - chance)
        means.append(mean)
        variances.append(variance)
    return means, variances


def _alike(dimension: int, endings: Iterable[Ending]) -> list[tuple[float, float, RunTime, int]]:
    """(amount, sum of squares, run time, elapsed): put together more coarsely the more there are."""
    given = [ending for ending in endings if ending.amount[dimension] > 0]
    groups: dict[Hashable, list[Ending]] = {}
    for grain in (0.0, 0.25, 0.5, 1.0, 2.0):
        groups = {}
        for ending in given:
            groups.setdefault(_likeness(ending, grain), []).append(ending)
        if len(groups) <= ENDS_MOST:
            break
    found = []
    for group in groups.values():
        amounts = [(float(ending.amount[dimension]), ending.count) for ending in group]
        like = group[len(group) // 2]
        found.append(
            (
                sum(amount * count for amount, count in amounts),
                sum(amount * amount * count for amount, count in amounts),
                like.run_time,
                like.elapsed_ms,
            )
        )
    return found


def _likeness(ending: Ending, grain: float) -> Hashable:
    run = ending.run_time
    if not grain:
        return run, ending.elapsed_ms
    return (
        round(run.mean / grain),
        round(run.spread / grain),
        round(log(max(1, ending.elapsed_ms)) / grain),
    )


def few_kinds(weights: Mapping[RunTime, float]) -> dict[RunTime, RunTime]:
    """By run time, one that stands for it and for those like it, so that there are few."""
    if len(weights) <= KINDS_MOST:
        return {run: _narrow(run.mean, run.spread) for run in weights}
    groups: dict[Hashable, list[RunTime]] = {}
    for grain in (0.25, 0.5, 1.0, 2.0, 4.0):
        groups = {}
        for run in weights:
            key = round(run.mean / grain), round(min(run.spread, SPREAD_MOST) / grain)
            groups.setdefault(key, []).append(run)
        if len(groups) <= KINDS_MOST:
            break
    stands: dict[RunTime, RunTime] = {}
    for group in groups.values():
        whole = sum(weights[run] for run in group) or 1.0
        mean = sum(run.mean * weights[run] for run in group) / whole
        spread = sum(min(run.spread, SPREAD_MOST) * weights[run] for run in group) / whole
        stands.update(dict.fromkeys(group, _narrow(mean, spread)))
    return stands


def _narrow(mean: float, spread: float) -> RunTime:
    return RunTime(mean=mean, spread=min(spread, SPREAD_MOST), ends=0)


class _Mixes:
    """What starts, from one amount to another."""

    def __init__(self, mixes: Sequence[Mix]) -> None:
        self._mixes = mixes
        self._ends = [mix.upto for mix in mixes]

    def between(self, begin: float, end: float) -> dict[RunTime, float]:
        found: dict[RunTime, float] = {}
        place = bisect_right(self._ends, begin)
        at = self._ends[place - 1] if place else 0.0
        while place < len(self._mixes) and at < end:
            mix = self._mixes[place]
            part = (min(end, mix.upto) - max(begin, at)) / (mix.upto - at) if mix.upto > at else 0.0
            for run, amount in mix.parts:
                found[run] = found.get(run, 0.0) + amount * part
            at, place = mix.upto, place + 1
        return found


class _Again:
    """What was started in each step, evenly over it, and how much of that has ended by another."""

    def __init__(self) -> None:
        self._started: dict[RunTime, list[tuple[int, float]]] = {}

    def start(self, step: int, parts: Mapping[RunTime, float]) -> None:
        for run, amount in parts.items():
            if amount > 0:
                self._started.setdefault(run, []).append((step, amount))

    def returned(self, step: int) -> float:
        """By the end of this step, of what was started in the steps before it."""
        total = 0.0
        at = TIMES[step]
        for run, starts in self._started.items():
            surely = run.mean + SURELY * run.spread
            known: dict[int, float] = {}
            for begun, amount in starts:
                left = at - TIMES[begun]
                if log(left) > surely:
                    total += amount
                    continue
                for number in (begun - 1, begun):
                    if number not in known:
                        known[number] = _free_time(run, at - TIMES[number])
                total += amount * (known[begun - 1] - known[begun]) / (TIMES[begun] - TIMES[begun - 1])
        return total

    def at_once(self, step: int, run: RunTime) -> float:
        """The part of what is started in a step that ends within it."""
        long = TIMES[step] - TIMES[step - 1]
        return _free_time(run, long) / long


def _free_time(run: RunTime, within: float) -> float:
    """The mean time that is left of so long after such a job has ended: the integral of its distribution."""
    if within <= 0.0:
        return 0.0
    at = (log(within) - run.mean) / run.spread
    if at < -SURELY - 1.0:
        return 0.0
    mean = exp(min(run.mean + run.spread * run.spread / 2, 60.0))
    return max(0.0, within * _below(at) - mean * _below(at - run.spread))


def ended_by(run: RunTime, elapsed_ms: int, in_ms: float) -> float:
    """The chance that a job which has run for so long ends within so long."""
    if in_ms <= 0:
        return 0.0
    if elapsed_ms <= 0:
        return _below((log(in_ms) - run.mean) / run.spread)
    lives = _below((run.mean - log(elapsed_ms)) / run.spread)
    if lives < 1e-9:
        return 1.0 - exp(-in_ms / max(1.0, run.residual_ms(0.5, elapsed_ms) * 1.44))
    return 1.0 - _below((run.mean - log(elapsed_ms + in_ms)) / run.spread) / lives


def _below(z: float) -> float:
    """The normal distribution."""
    return 0.5 * erfc(-z / _ROOT2)
