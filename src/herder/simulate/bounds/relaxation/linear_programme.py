"""The linear program: workers of each template and slot for the work that must run, at the least cost. Solved by `highs`.

Variables, each averaged over its slot: workers `n` of a template; with boots or least billing also starts `u`; and of each curve
(see `time_windows`) what has been done by the end of the slot. A real schedule's averages satisfy every row, and cost what it costs:
so the least is a lower bound. Rows are all of the form "at least", variables all have both bounds: `highs` relies on that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from herder.simulate.bounds.relaxation.time_windows import Curve, Floats, Jobs
from herder.simulate.world.world import World

#: What a template without limit has of a resource, as a multiple of all that can run at once: so large that it does not count,
#: and small enough for the solver.
PLENTY = 1e7


@dataclass(slots=True)
class Programme:
    """Minimise cost · x with matrix · x ≥ floor and low ≤ x ≤ high. The matrix is a list of (row, column, value)."""

    cost: list[Floats] = field(default_factory=list)
    low: list[Floats] = field(default_factory=list)
    high: list[Floats] = field(default_factory=list)
    floor: list[Floats] = field(default_factory=list)
    entries: list[tuple[Floats, Floats, Floats]] = field(default_factory=list)
    columns: int = 0
    rows: int = 0

    def add_columns(self, low: Floats, high: Floats, cost: float = 0.0) -> int:
        """The first one's number."""
        self.low.append(low)
        self.high.append(np.maximum(low, high))
        self.cost.append(np.full(len(low), cost))
        self.columns += len(low)
        return self.columns - len(low)

    def add_rows(self, floor: Floats) -> int:
        self.floor.append(floor)
        self.rows += len(floor)
        return self.rows - len(floor)

    def put(self, row: int, column: int, count: int, value: float) -> None:
        """The same value in rows `row`, `row` + 1 … and columns `column`, `column` + 1 …"""
        if count > 0 and value:
            steps = np.arange(count, dtype=np.float64)
            self.entries.append((row + steps, column + steps, np.full(count, value)))


def build(
    world: World, jobs: Jobs, curves: Sequence[Curve], certain: Floats, slot_s: float, billed_most: int | None
) -> Programme:
    """`certain`: the cost per hour of each slot that nobody escapes. `billed_most`: workers cost their boot, and
    their least billing over at most so many slots; None: neither."""
    slots, width = len(certain), len(jobs.scale)
    peak = _peak(jobs, slot_s, slots)
    plenty = np.maximum(peak, 1.0) * PLENTY
    sizes = [np.minimum(np.array(world.dimensions.unpack(size)) / jobs.scale, plenty) for size in world.sizes]
    programme = Programme()
    load = [programme.add_rows(np.zeros(slots)) for _ in range(width)]
    cover = programme.add_rows(certain)
    for number, size in enumerate(sizes):
        price = world.templates[number].price
        most = _most(size, peak, float(certain.max(initial=0.0)), price)
        column = programme.add_columns(np.zeros(slots), np.full(slots, most), price * slot_s / 3600)
        for resource in range(width):
            programme.put(load[resource], column, slots, float(size[resource]))
        programme.put(cover, column, slots, price)
        if billed_most is not None:
            _start(programme, world, number, column, slots, most, slot_s, billed_most)
    for curve in curves:
        _carry(programme, load, curve, slots)
    return programme


def _peak(jobs: Jobs, slot_s: float, slots: int) -> Floats:
    """Of each resource, what can run at one moment at most."""
    result = np.zeros(jobs.amounts.shape[1])
    first = np.minimum((jobs.earliest_s / slot_s).astype(np.int64), slots - 1)
    after = np.minimum(((jobs.latest_s + jobs.run_s) / slot_s).astype(np.int64) + 1, slots)
    for resource in range(len(result)):
        change = np.bincount(first, jobs.amounts[:, resource], slots + 1)
        change -= np.bincount(after, jobs.amounts[:, resource], slots + 1)
        result[resource] = float(np.cumsum(change).max(initial=0.0)) * (1 + 1e-9)
    return result


def _most(size: Floats, peak: Floats, certain: float, price: float) -> float:
    """As many as could be of use if there were no other template."""
    uses = [float(p / s) for p, s in zip(peak, size, strict=True) if s > 0]
    return 1.0 + max([*uses, certain / price if price > 0 else 0.0, 0.0])


def _start(
    programme: Programme,
    world: World,
    number: int,
    column: int,
    slots: int,
    most: float,
    slot_s: float,
    billed_most: int,
) -> None:
    template, boot_s = world.templates[number], world.boot.least_s
    started = programme.add_columns(np.zeros(slots), np.full(slots, most), template.price * boot_s / 3600)
    rise = programme.add_rows(np.zeros(slots))
    programme.put(rise, started, slots, 1.0)
    programme.put(rise, column, slots, -1.0)
    programme.put(rise + 1, column, slots - 1, 1.0)
    billed = min(int((template.billed_s - boot_s) / slot_s), billed_most)
    if billed >= 1:
        kept = programme.add_rows(np.zeros(slots))
        programme.put(kept, column, slots, 1.0)
        for back in range(billed):
            programme.put(kept + back, started, slots - back, -1.0)


def _carry(programme: Programme, load: Sequence[int], curve: Curve, slots: int) -> None:
    """What a curve puts on the slots: a body is there for its length; of a tail, what is done in the slot."""
    column = programme.add_columns(curve.low, curve.high)
    lag = curve.slots or 1
    grows = programme.add_rows(np.zeros(slots - 1))
    programme.put(grows, column + 1, slots - 1, 1.0)
    programme.put(grows, column, slots - 1, -1.0)
    for resource, row in enumerate(load):
        share = float(curve.direction[resource])
        programme.put(row, column, slots, -share)
        programme.put(row + lag, column, slots - lag, share)
