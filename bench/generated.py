"""A month of work made from a seed: many users with a few kinds of jobs each, more by day than by night. For the bench and tests.

It stands for a busy shared fleet: users' shares fall off as a power law, run times are log-normal. The same seed gives the same
trace on every machine.
"""

import math
from bisect import bisect_right
from itertools import accumulate

from herder.model.values.resources import Resources
from herder.simulate.traces.trace import Trace, TraceJob, trace_of
from herder.simulate.world.rng import Draws

DAY_S = 86_400.0
#: Cores of a worker that the load is reckoned in, and the part of them that is in use on average.
WORKER_CORES = 32
LOAD = 0.6
_CORES = (500, 1000, 1000, 2000, 2000, 4000, 8000, 16000)
_SPREAD = 1.2
#: Of the arrival rate, what comes and goes with the day.
_SWING = 0.45


def generated_month(
    jobs: int, *, days: float = 30.0, workers: int = 60, users: int = 500, shapes: int = 300, seed: int = 1
) -> Trace:
    """`workers`: how many of 32 cores the work keeps busy to 60 % on average."""
    draws = Draws(seed)
    sizes: dict[Resources, None] = {}
    while len(sizes) < shapes:
        cpu = _CORES[_below(draws, len(_CORES))]
        memory = cpu * (1 << _below(draws, 4)) * 1024 // 1000 + 64 * _below(draws, 64)
        sizes[Resources(cpu, max(256, memory), 0, 0)] = None
    known = list(sizes)
    habits = [[known[_below(draws, shapes)] for _ in range(1 + _below(draws, 4))] for _ in range(users)]
    sums = list(accumulate((1 + user) ** -0.9 for user in range(users)))
    span_s = days * DAY_S
    chosen = [_pick(draws, sums) for _ in range(jobs)]
    asked = [habits[user][_below(draws, len(habits[user]))] for user in chosen]
    mean_s = workers * WORKER_CORES * LOAD * span_s * 1000 / sum(size.cpu_milli for size in asked)
    middle = math.log(mean_s) - _SPREAD**2 / 2
    made = [
        TraceJob(
            arrival_s=_arrival(draws, span_s),
            run_s=round(math.exp(middle + _SPREAD * draws.normal()), 3),
            request=size,
            user=f"user-{user}",
        )
        for user, size in zip(chosen, asked, strict=True)
    ]
    return trace_of("generated", made)


def _below(draws: Draws, limit: int) -> int:
    return min(limit - 1, int(draws.unit() * limit))


def _pick(draws: Draws, sums: list[float]) -> int:
    return min(len(sums) - 1, bisect_right(sums, draws.unit() * sums[-1]))


def _arrival(draws: Draws, span_s: float) -> float:
    while True:
        at_s = draws.unit() * span_s
        if draws.unit() < 1.0 - _SWING + _SWING * math.sin(2 * math.pi * (at_s / DAY_S - 0.3)):
            return round(at_s, 3)
