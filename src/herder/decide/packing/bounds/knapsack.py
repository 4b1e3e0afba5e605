"""The largest worth of the content of one bin when each shape has a price: exact, or an upper bound.

Called by `configurations`, which needs a good content to go on and a bound to prove that there is no better one. Whole
numbers only. A search that runs out of steps gives the best content so far and a bound on all it has not looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from herder.decide.packing.bounds.linear import shadow_prices
from herder.decide.packing.kernels import less_several

_SCALE = 2**20
#: Rows, of the best ones, with which a first guess begins.
_GREEDY = 12
#: Of each resource, then of slots.
Amounts = tuple[int, ...]


class Best(NamedTuple):
    """How many of each row, what they are worth, and what no content can exceed."""

    content: dict[int, int]
    worth: int
    at_most: int
    looked: int
    """How many contents were looked at."""


@dataclass(frozen=True, slots=True)
class _Row:
    index: int
    size: Amounts
    worth: int
    count: int
    weight: int


def most_worth(
    sizes: Sequence[Amounts],
    worths: Sequence[int],
    counts: Sequence[int],
    free: Amounts,
    *,
    steps: int,
    enough: int = 0,
) -> Best:
    """`counts`: no more of a row than this. `steps`: contents looked at, at most. What cannot be worth more than `enough` is
    not looked at."""
    fitting = [
        i
        for i, size in enumerate(sizes)
        if worths[i] > 0 and counts[i] > 0 and all(a <= b for a, b in zip(size, free, strict=True))
    ]
    if not fitting:
        return Best({}, 0, 0, 0)
    fitting = _undominated(fitting, sizes, worths, counts, free)
    weights = _weights([sizes[i] for i in fitting], [worths[i] for i in fitting], free)
    rows = [
        _Row(i, sizes[i], worths[i], counts[i], sum(a * b for a, b in zip(sizes[i], weights, strict=True)))
        for i in fitting
    ]
    rows.sort(key=lambda row: (-row.worth / row.weight if row.weight else -inf, row.index))
    room = sum(a * b for a, b in zip(free, weights, strict=True))
    return _Search(rows, steps, enough).run(free, room)


def _undominated(
    fitting: Sequence[int],
    sizes: Sequence[Amounts],
    worths: Sequence[int],
    counts: Sequence[int],
    free: Amounts,
) -> list[int]:
    """Without rows in whose place another is as good: worth no less, no larger, and there are enough of it to fill the bin."""
    plenty: list[int] = []
    kept: list[int] = []
    for i in sorted(fitting, key=lambda i: (-worths[i], sizes[i], i)):
        size = sizes[i]
        if any(all(a <= b for a, b in zip(sizes[j], size, strict=True)) for j in plenty):
            continue
        kept.append(i)
        if any(size[d] * counts[i] > free[d] - size[d] for d in range(len(size)) if size[d] > 0):
            plenty.append(i)
    return kept


def _weights(sizes: Sequence[Amounts], worths: Sequence[int], free: Amounts) -> Amounts:
    """What a unit of each resource is worth in the best fractional content: resources added up in this way bound best."""
    most = max(worths)
    columns = [[size[d] / free[d] if free[d] else 0.0 for size in sizes] for d in range(len(free))]
    prices = shadow_prices([worth / most for worth in worths], columns, [1.0] * len(free))
    whole = [
        int(price * _SCALE * _SCALE / have) if have else 0 for price, have in zip(prices, free, strict=True)
    ]
    return tuple(whole) if any(whole) else (1,) * len(whole)


class _Search:
    """Depth first, rows by worth for their weight; the rest is bounded by filling the weight that is left."""

    def __init__(self, rows: Sequence[_Row], steps: int, enough: int) -> None:
        self._rows, self._steps, self._enough = rows, steps, enough
        self._best, self._counts, self._missed, self._looked = 0, dict[int, int](), 0, 0

    def run(self, free: Amounts, room: int) -> Best:
        for row in self._rows[:_GREEDY]:
            self._greedy(row, free)
        self._down(0, free, room, 0, [])
        return Best(self._counts, self._best, max(self._best, self._missed), self._looked)

    def _greedy(self, first: _Row, free: Amounts) -> None:
        """As much as goes of one row, then of the others in their order."""
        worth, content = 0, dict[int, int]()
        for row in (first, *(row for row in self._rows if row is not first)):
            if count := _how_many(row, free):
                content[row.index] = count
                worth += row.worth * count
                free = less_several(free, row.size, count)
        if worth > self._best:
            self._best, self._counts = worth, content

    def _bound(self, at: int, room: int) -> int:
        worth = 0
        for row in self._rows[at:]:
            weight = row.weight * row.count
            if weight > room:
                return worth - (-room * row.worth // row.weight)
            room -= weight
            worth += row.worth * row.count
        return worth

    def _down(self, at: int, free: Amounts, room: int, worth: int, taken: list[tuple[int, int]]) -> None:
        if worth > self._best:
            self._best, self._counts = worth, dict(taken)
        while at < len(self._rows) and not _how_many(self._rows[at], free):
            at += 1
        if at == len(self._rows):
            return
        row = self._rows[at]
        most = worth + self._bound(at, room)
        if most <= self._best:
            return
        if most <= self._enough:
            self._missed = max(self._missed, most)
            return
        self._looked += 1
        if self._looked > self._steps:
            self._missed = max(self._missed, most)
            return
        for count in range(_how_many(row, free), -1, -1):
            left = less_several(free, row.size, count)
            if count:
                taken.append((row.index, count))
            self._down(at + 1, left, room - row.weight * count, worth + row.worth * count, taken)
            if count:
                taken.pop()


def _how_many(row: _Row, free: Amounts) -> int:
    fits = row.count
    for ask, have in zip(row.size, free, strict=True):
        if ask > 0 and ask * fits > have:
            fits = have // ask
    return fits
