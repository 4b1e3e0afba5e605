"""The course of a finished simulation over time, in a bounded number of buckets. Called by `page`; changes nothing.

Nothing is recorded while a simulation runs: a world knows afterwards when each worker was asked for, ready and given back, and
when each job could have started and did. Of work that was killed and done again only the last run is known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from herder.simulate.bounds.no_wait import Pricer, counted_jobs, earliest_starts
from herder.simulate.runs.outcome import quantile
from herder.simulate.world.world import Worker, World

#: Buckets of a chart: more would be finer than a screen shows.
BUCKETS = 240
#: Quantiles of waits are taken over longer times, or they would jump between no job and one.
WAIT_BUCKETS = 48
#: Kinds of workers that are shown apart; the rest of the templates is added up.
KINDS_MAX = 6
#: Points of a distribution.
QUANTILES = 200


@dataclass(frozen=True, slots=True)
class Grid:
    """`count` buckets of `width_s` from time 0."""

    width_s: float
    count: int = BUCKETS

    @property
    def middles_s(self) -> list[float]:
        return [(place + 0.5) * self.width_s for place in range(self.count)]

    def sums(self, spans: Iterable[tuple[float, float, float]]) -> list[float]:
        """Of (start, end, weight): weight × seconds that lie before the end of each bucket."""
        turns = [0.0] * (self.count + 2)
        for start_s, end_s, weight in spans:
            for at_s, sign in ((start_s, weight), (end_s, -weight)):
                place, part = divmod(max(0.0, at_s) / self.width_s, 1.0)
                if place < self.count:
                    turns[int(place)] += sign * (1.0 - part)
                    turns[int(place) + 1] += sign * part
        slope = total = 0.0
        result = []
        for turn in turns[: self.count]:
            slope += turn
            total += slope * self.width_s
            result.append(total)
        return result

    def means(self, spans: Iterable[tuple[float, float, float]]) -> list[float]:
        """How much there is in each bucket, on average."""
        sums = self.sums(spans)
        before = [0.0, *sums]
        return [
            max(0.0, round((now - last) / self.width_s, 9)) for last, now in zip(before, sums, strict=False)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Of one policy, by bucket: `workers` by kind (a template, or those that boot), cost so far, jobs that wait; and of the jobs
    that could start in each of `WAIT_BUCKETS` longer ones how long half of them, 95 % and the last waited (None: there was none). `waits`: quantiles of all."""

    workers: tuple[tuple[str, list[float]], ...]
    cost: list[float]
    queue: list[float]
    wait_p50_s: list[float | None]
    wait_p95_s: list[float | None]
    wait_max_s: list[float | None]
    waits_s: list[float]

    @property
    def all_workers(self) -> list[float]:
        return [sum(column) for column in zip(*(values for _, values in self.workers), strict=True)]


def grid_of(worlds: Sequence[World]) -> Grid:
    """From the first arrival to the last worker's end."""
    last_s = max((worker.closed_s or 0.0 for world in worlds for worker in world.closed), default=0.0)
    return Grid(max(last_s, 1.0) / BUCKETS)


def series_of(world: World, grid: Grid) -> Series:
    trace = world.trace
    started = [job for job in range(len(trace)) if world.started_s[job] >= 0]
    waits = [world.started_s[job] - world.waits_from_s[job] for job in started]
    in_bucket: list[list[float]] = [[] for _ in range(WAIT_BUCKETS)]
    end_s = grid.width_s * grid.count
    for job, wait_s in zip(started, waits, strict=True):
        in_bucket[min(WAIT_BUCKETS - 1, int(world.waits_from_s[job] / end_s * WAIT_BUCKETS))].append(wait_s)
    for each in in_bucket:
        each.sort()
    return Series(
        workers=tuple(_workers(world, grid)),
        cost=[total / 3600 for total in grid.sums(_paid(world))],
        queue=grid.means((world.waits_from_s[job], world.started_s[job], 1.0) for job in started),
        wait_p50_s=[quantile(each, 0.5) if each else None for each in in_bucket],
        wait_p95_s=[quantile(each, 0.95) if each else None for each in in_bucket],
        wait_max_s=[each[-1] if each else None for each in in_bucket],
        waits_s=_spread(sorted(waits)),
    )


def _spread(ordered: list[float]) -> list[float]:
    return [quantile(ordered, (place + 1) / QUANTILES) for place in range(QUANTILES)] if ordered else []


def _workers(world: World, grid: Grid) -> Iterator[tuple[str, list[float]]]:
    by_template: dict[int, list[Worker]] = {}
    for worker in world.closed:
        by_template.setdefault(worker.template, []).append(worker)
    most = sorted(by_template, key=lambda template: (-len(by_template[template]), template))
    for template in sorted(most[:KINDS_MAX]):
        yield world.templates[template].name, grid.means(map(_ready, by_template[template]))
    rest = [worker for template in most[KINDS_MAX:] for worker in by_template[template]]
    if rest:
        yield f"{len(most) - KINDS_MAX} other templates", grid.means(map(_ready, rest))
    yield "booting", grid.means((each.requested_s, min(each.ready_s, each.closed_s or 0.0), 1.0) for each in world.closed)  # fmt: skip


def _ready(worker: Worker) -> tuple[float, float, float]:
    end_s = worker.closed_s or 0.0
    return min(worker.ready_s, end_s), end_s, 1.0


def _paid(world: World) -> Iterator[tuple[float, float, float]]:
    for worker in world.closed:
        template = world.templates[worker.template]
        end_s = max(worker.closed_s or 0.0, worker.requested_s + template.billed_s)
        yield worker.requested_s, end_s, template.price


def no_wait_cost(world: World, grid: Grid) -> list[float]:
    """What the no-wait bound has come to by the end of each bucket."""
    return [total / 3600 for total in grid.sums(_loads(world))]


def _loads(world: World) -> Iterator[tuple[float, float, float]]:
    amounts = [world.dimensions.unpack(request) for request in world.shape_requests]
    starts, price = earliest_starts(world), Pricer(world)
    changes: list[tuple[float, int, int]] = []
    for job in counted_jobs(world):
        shape = world.trace.shape_of[job]
        changes.append((starts[job], 1, shape))
        changes.append((starts[job] + world.trace.run_s[job], -1, shape))
    changes.sort()
    load, before_s = [0] * len(world.dimensions.indexes), 0.0
    for at_s, sign, shape in changes:
        if at_s > before_s:
            if any(load):
                yield before_s, at_s, price.of(load)
            before_s = at_s
        for place, amount in enumerate(amounts[shape]):
            load[place] += sign * amount
