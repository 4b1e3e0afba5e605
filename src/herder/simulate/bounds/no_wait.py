"""Lower bounds of the cost of a trace on given templates, without waiting. Called after a simulation; knows every end.

`volume` holds whatever is delayed, moved or split: the resource-hours asked for at their least price. `no_wait` holds for
everybody who starts each job when it arrives: at every instant the cheapest mix of templates that covers what runs. With one
template workers are whole; with several they are fractions, and the least is exact for fractions: the corners of the dual
polytope are found once, and the load is priced at each. Every dual price is checked, so that the result is a bound in
floating point too. Jobs that fit nowhere count in neither.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from math import comb

from herder.simulate.world.world import World

#: Corners tried at most; above it only the prices of single resources are used, which is a weaker bound and still one.
CORNERS_TRIED_MAX = 200_000
Prices = tuple[float, ...]


def volume(world: World) -> float:
    amounts = _shape_amounts(world)
    totals = [0.0] * len(world.dimensions.indexes)
    for job in counted_jobs(world):
        for place, amount in enumerate(amounts[world.trace.shape_of[job]]):
            totals[place] += amount * world.trace.run_s[job]
    return max((_cost(prices, totals) for prices in dual_prices(world)), default=0.0) / 3600


def no_wait(world: World) -> float:
    """Jobs with parents start when the last of these ends."""
    starts = earliest_starts(world)
    return load_cost(world, ((starts[job], job) for job in counted_jobs(world)))


def counted_jobs(world: World) -> Iterator[int]:
    left_out = set(world.unplaced)
    return (job for job in range(len(world.trace)) if job not in left_out)


def load_cost(world: World, starts: Iterable[tuple[float, int]]) -> float:
    """The integral over time of the cheapest cover of what runs."""
    amounts = _shape_amounts(world)
    changes: list[tuple[float, int, int]] = []
    for start_s, job in starts:
        shape = world.trace.shape_of[job]
        changes.append((start_s, 1, shape))
        changes.append((start_s + world.trace.run_s[job], -1, shape))
    changes.sort()
    price = Pricer(world)
    load = [0] * len(world.dimensions.indexes)
    total = 0.0
    before_s = changes[0][0] if changes else 0.0
    for at_s, sign, shape in changes:
        if at_s > before_s:
            total += price.of(load) * (at_s - before_s)
            before_s = at_s
        for place, amount in enumerate(amounts[shape]):
            load[place] += sign * amount
    return total / 3600


class Pricer:
    """The least price per hour for a load; remembers, because loads come back."""

    def __init__(self, world: World) -> None:
        self._known: dict[tuple[int, ...], float] = {}
        self._duals = dual_prices(world)
        self._whole = _sizes(world)[0] if len(world.templates) == 1 else None
        self._price = world.templates[0].price

    def of(self, load: Sequence[int]) -> float:
        key = tuple(load)
        cost = self._known.get(key)
        if cost is None:
            if self._whole is not None:
                cost = self._price * max(
                    -(-have // size) for have, size in zip(key, self._whole, strict=True)
                )
            else:
                cost = max(_cost(prices, key) for prices in self._duals)
            self._known[key] = cost
        return cost


def _cost(prices: Prices, amounts: Sequence[float]) -> float:
    return sum(price * amount for price, amount in zip(prices, amounts, strict=True))


def _shape_amounts(world: World) -> list[tuple[int, ...]]:
    return [world.dimensions.unpack(request) for request in world.shape_requests]


def _sizes(world: World) -> list[tuple[int, ...]]:
    return [world.dimensions.unpack(size) for size in world.sizes]


def dual_prices(world: World) -> list[Prices]:
    """Prices for a unit of each resource under which no template is worth more than it costs. Each gives a lower bound;
    the best of them is the linear programme's optimum, because it is taken at a corner."""
    sizes = _sizes(world)
    costs = [template.price for template in world.templates]
    width = len(world.dimensions.indexes)
    rows = sorted({(*size, cost) for size, cost in zip(sizes, costs, strict=True)})
    found: set[Prices] = set()
    for place in range(width):
        ratio = min(row[width] / row[place] if row[place] else float("inf") for row in rows)
        if ratio < float("inf"):
            found.add(tuple(ratio if other == place else 0.0 for other in range(width)))
    if width > 1 and comb(len(rows) + width, width) <= CORNERS_TRIED_MAX:
        found.update(_corners(rows, width))
    return _undominated(sorted(found))


def _undominated(prices: list[Prices]) -> list[Prices]:
    """Loads are not negative, so a price that is nowhere above another one never counts."""
    return [
        each
        for each in prices
        if not any(
            other != each and all(a >= b for a, b in zip(other, each, strict=True)) for other in prices
        )
    ]


def _corners(rows: Sequence[tuple[float, ...]], width: int) -> Iterator[Prices]:
    """Where `width` of the constraints (a template is not worth more than its price; a price is not negative) are tight."""
    unit = [tuple(float(place == other) for other in range(width + 1)) for place in range(width)]
    for chosen in combinations([*rows, *unit], width):
        prices = _solve([list(row) for row in chosen], width)
        if prices is None or min(prices) < -1e-12:
            continue
        positive = [max(0.0, price) for price in prices]
        worst = max(
            sum(price * part for price, part in zip(positive, row[:width], strict=True)) / row[width]
            if row[width]
            else float(any(price and part for price, part in zip(positive, row[:width], strict=True)))
            for row in rows
        )
        if worst <= 1.0 + 1e-9:
            yield tuple(price / max(1.0, worst) for price in positive)


def _solve(rows: list[list[float]], width: int) -> list[float] | None:
    """Gauss with pivots; None when the constraints do not meet in one point."""
    for place in range(width):
        pivot = max(range(place, width), key=lambda row: abs(rows[row][place]))
        if abs(rows[pivot][place]) < 1e-12:
            return None
        rows[place], rows[pivot] = rows[pivot], rows[place]
        for other in range(width):
            if other != place and rows[other][place]:
                factor = rows[other][place] / rows[place][place]
                rows[other] = [a - factor * b for a, b in zip(rows[other], rows[place], strict=True)]
    return [rows[place][width] / rows[place][place] for place in range(width)]


def earliest_starts(world: World) -> list[float]:
    """Arrivals; with parents, the end of the last of these if each job started at once."""
    trace = world.trace
    starts = list(trace.arrival_s)
    if not trace.parents:
        return starts
    left = [len(parents) for parents in trace.parents]
    children = trace.children()
    free = [job for job, count in enumerate(left) if not count]
    while free:
        job = free.pop()
        for child in children.get(job, ()):
            starts[child] = max(starts[child], starts[job] + trace.run_s[job])
            left[child] -= 1
            if not left[child]:
                free.append(child)
    return starts
