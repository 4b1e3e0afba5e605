"""The work that must and the work that can be done by the end of each slot. Called by `linear_programme`.

A job of run time p that may start in [earliest, latest] is cut in two: a body of whole slots, and a tail with the rest. By the
end of a slot, starts of bodies and work of tails lie between two curves: everybody as late, and everybody as early as allowed.
The cut keeps all work, so that the programme is never below the volume bound; the body is rounded down to a few lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from herder.simulate.bounds.no_wait import Pricer, counted_jobs, earliest_starts
from herder.simulate.world.world import World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: More distinct directions of requests than this, and each resource is followed for itself (weaker, and still a bound).
DIRECTIONS_MAX = 8


@dataclass(frozen=True, slots=True)
class Jobs:
    """Columns of the jobs that count; times in seconds."""

    earliest_s: Floats
    latest_s: Floats
    run_s: Floats
    amounts: Floats
    """Job by resource, in units of `scale`."""
    scale: Floats
    """Of each resource: the most that one template has of it."""

    @property
    def end_s(self) -> float:
        return float((self.latest_s + self.run_s).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class Curve:
    """Between `low` and `high` by the end of each slot, in units of `direction`. `slots`: length of the body; 0: a tail."""

    direction: Floats
    slots: int
    low: Floats
    high: Floats


def jobs_of(world: World, wait_s: float) -> Jobs:
    """`wait_s` is from when a job could start, so those with parents may be late by their parents' waits too."""
    earliest, chosen = earliest_starts(world), list(counted_jobs(world))
    latest = _latest_starts(world, wait_s)
    sizes = [world.dimensions.unpack(size) for size in world.sizes]
    asked = np.array(
        [world.dimensions.unpack(request) for request in world.shape_requests], dtype=np.float64
    ).reshape(len(world.shape_requests), -1)
    # What a template does not limit is no measure of anything.
    limited = [[part for part in column if part < 2**45] or [1] for column in zip(*sizes, strict=True)]
    scale = np.array([max(1, *column, 1) for column in limited], dtype=np.float64)
    return Jobs(
        earliest_s=np.array([earliest[job] for job in chosen], dtype=np.float64),
        latest_s=np.array([latest[job] for job in chosen], dtype=np.float64),
        run_s=np.array([world.trace.run_s[job] for job in chosen], dtype=np.float64),
        amounts=asked[[world.trace.shape_of[job] for job in chosen]] / scale,
        scale=scale,
    )


def _latest_starts(world: World, wait_s: float) -> list[float]:
    trace = world.trace
    if not trace.parents:
        return [arrival_s + wait_s for arrival_s in trace.arrival_s]
    latest = [arrival_s + wait_s for arrival_s in trace.arrival_s]
    left = [len(parents) for parents in trace.parents]
    children = trace.children()
    free = [job for job, count in enumerate(left) if not count]
    while free:
        job = free.pop()
        for child in children.get(job, ()):
            latest[child] = max(latest[child], latest[job] + trace.run_s[job] + wait_s)
            left[child] -= 1
            if not left[child]:
                free.append(child)
    return latest


def bodies(jobs: Jobs, slot_s: float, lengths: Sequence[int]) -> Ints:
    """Of each job, the largest of the allowed lengths, in slots, that it has; 0 for the short ones."""
    allowed = np.array([0, *lengths], dtype=np.int64)
    whole = np.floor(jobs.run_s / slot_s).astype(np.int64)
    return np.asarray(allowed[np.searchsorted(allowed, whole, side="right") - 1])


def curves(jobs: Jobs, slot_s: float, slots: int, lengths: Sequence[int]) -> list[Curve]:
    """One for each direction and length of body that occurs, and one for the tails of each direction."""
    begin, late = jobs.earliest_s / slot_s, jobs.latest_s / slot_s
    whole = bodies(jobs, slot_s, lengths)
    rest = np.maximum(0.0, jobs.run_s / slot_s - whole)
    found = []
    for direction, weight in directions(jobs):
        for length in sorted(set(whole[weight > 0].tolist()) - {0}):
            mine = (whole == length) & (weight > 0)
            one = np.ones(int(mine.sum()))
            found.append(
                Curve(
                    direction,
                    int(length),
                    _done(late[mine], one, weight[mine], slots),
                    _done(begin[mine], one, weight[mine], slots),
                )
            )
        mine = (rest > 0) & (weight > 0)
        if mine.any():
            found.append(
                Curve(
                    direction,
                    0,
                    _done((late + whole)[mine], rest[mine], weight[mine], slots),
                    _done((begin + whole)[mine], rest[mine], weight[mine], slots),
                )
            )
    return found


def directions(jobs: Jobs) -> list[tuple[Floats, Floats]]:
    """(a request's shares of resources, how much of it each job asks for)."""
    width = jobs.amounts.shape[1]
    peak = jobs.amounts.max(axis=1, initial=0.0)
    shares = np.round(jobs.amounts / np.where(peak > 0, peak, 1.0)[:, None], 12)
    distinct, place = np.unique(shares, axis=0, return_inverse=True)
    if len(distinct) <= DIRECTIONS_MAX:
        flat = place.reshape(-1)
        return [(share, np.where(flat == number, peak, 0.0)) for number, share in enumerate(distinct)]
    return [(np.eye(width)[resource], jobs.amounts[:, resource]) for resource in range(width)]


def _done(begin: Floats, length: Floats, weight: Floats, slots: int) -> Floats:
    """By the end of each slot, how much is done of what begins at `begin` and takes `length`, both in slots: sums of ramps."""
    change = np.zeros(slots + 2)
    for at, sign in ((begin, 1.0), (begin + length, -1.0)):
        place = np.minimum(np.floor(at).astype(np.int64), slots)
        part = at - np.floor(at)
        change += sign * np.bincount(place, weight * (1.0 - part), slots + 2)[: slots + 2]
        change += sign * np.bincount(place + 1, weight * part, slots + 2)[: slots + 2]
    return np.asarray(np.maximum.accumulate(np.cumsum(np.cumsum(change))[:slots]))


def unavoidable(world: World, jobs: Jobs, slot_s: float, slots: int) -> Floats:
    """Of each slot, the cost per hour that nobody escapes who starts in time: of [latest start, earliest end) of each job."""
    price = Pricer(world)
    certain = np.flatnonzero(jobs.earliest_s + jobs.run_s > jobs.latest_s)
    whole = np.rint(jobs.amounts * jobs.scale).astype(np.int64)
    changes = [(float(jobs.latest_s[job]), 1, int(job)) for job in certain]
    changes += [(float(jobs.earliest_s[job] + jobs.run_s[job]), -1, int(job)) for job in certain]
    changes.sort()
    rows = whole.tolist()
    load, result, before_s = [0] * len(jobs.scale), np.zeros(slots), 0.0
    for at_s, sign, job in changes:
        if at_s > before_s:
            _spread(result, before_s / slot_s, at_s / slot_s, price.of(load) if any(load) else 0.0)
            before_s = at_s
        for place, amount in enumerate(rows[job]):
            load[place] += sign * amount
    return result


def _spread(result: Floats, begin: float, end: float, value: float) -> None:
    """Adds `value` over [begin, end), in slots, as averages of slots."""
    if not value:
        return
    first, last = int(begin), min(int(end), len(result) - 1)
    if first >= last:
        result[min(first, len(result) - 1)] += value * (end - begin)
        return
    result[first] += value * (first + 1 - begin)
    result[first + 1 : last] += value
    result[last] += value * (end - last)
