"""Fills new bins with single items so that little capacity is left: for items that are large or have no equals.

Called by `local_search`. A bin begins with the hardest item there is; some others are drawn as they come, so that what is left stays
the mix it was; the last ones are those that fill the rest best. Of several such tries the one that rids us of most is taken.
(The idea of minimum bin slack, Gupta and Ho 1999, in several dimensions and with drawing in place of enumeration.) The draw
is from a fixed seed: the same items give the same bins.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from herder.decide.packing.groups import BinOffer
from herder.decide.packing.kernels import fits, less
from herder.decide.packing.open_bins import OfferLimits, Run, price_of
from herder.decide.packing.shapes import Shape

#: Items beyond which one by one takes too long.
ITEMS_MAX = 20_000
#: And items in one bin, on average, beyond which alignment does as well and is faster.
ITEMS_A_BIN = 50
#: By the share of one resource in what they ask of two.
_DIRECTIONS = 24
#: Items of one direction that are looked at for one place.
_SCAN_MAX = 24
#: A bin this full needs no better try.
_FULL = 0.995
#: Items of one bin that are drawn in all its tries.
_DRAWS_MAX = 100
#: Items drawn in a row that do not fit, after which the bin is completed.
_MISSES_MAX = 3
#: Drawing ends when what is left is so many of the longest item.
_LAST = 1.25

#: Lengths are floats; what fits is checked in whole numbers.
_SLACK = 1 + 1e-9

_Free = tuple[int, ...]


def combine(
    rows: Sequence[tuple[Shape, int]],
    offers: Sequence[BinOffer],
    room: OfferLimits,
    *,
    worth: Mapping[int, int],
    tries: int,
    seed: int = 0,
    keep_going: Callable[[], bool] = lambda: True,
) -> list[Run]:
    """`rows`: shapes, each with how many of it are to be placed; at most `ITEMS_MAX` in all. Leaves out what fits into none of
    these offers or finds no room any more; the caller takes what is placed off the table."""
    stock = _Stock(rows, offers, worth, seed)
    runs: list[Run] = []
    while (first := stock.hardest()) >= 0 and keep_going():
        best: tuple[float, BinOffer, list[int]] | None = None
        for offer in offers:
            if room.of(offer) <= 0 or not stock.may(first, offer):
                continue
            value, chosen = stock.best_of(first, offer, tries)
            if best is None or value > best[0]:
                best = value, offer, chosen
        if best is None:
            stock.remove(first)
            continue
        room.take(best[1], 1)
        runs.append((best[1], stock.pattern(best[2]), 1))
        for item in best[2]:
            stock.remove(item)
    return runs


class _Stock:
    """What is left. Items are numbers; an item's length is its share of all that is asked of the two scarcest resources."""

    def __init__(
        self,
        rows: Sequence[tuple[Shape, int]],
        offers: Sequence[BinOffer],
        worth: Mapping[int, int],
        seed: int,
    ) -> None:
        self._shapes = [shape for shape, count in rows for _ in range(count)]
        self._sizes: list[_Free] = [tuple(shape.size) for shape in self._shapes]
        self._worth = [worth[id(shape)] for shape in self._shapes]
        places = range(len(offers[0].size))
        total = [sum(size[d] for size in self._sizes) for d in places]
        first, second = _scarcest(total, offers)
        self._axes = first, second
        self._units = 1.0 / max(1, total[first]), 1.0 / max(1, total[second])
        scale = [1.0 / max(1, *(offer.size[d] for offer in offers)) for d in places]
        self._hard = [max(a * b for a, b in zip(size, scale, strict=True)) for size in self._sizes]
        self._lanes: list[list[tuple[float, int]]] = [[] for _ in range(_DIRECTIONS)]
        self._at: list[tuple[int, float]] = []
        for item, size in enumerate(self._sizes):
            a, b = size[first] * self._units[0], size[second] * self._units[1]
            lane = min(_DIRECTIONS - 1, int(b / (a + b) * _DIRECTIONS)) if a + b > 0 else 0
            self._at.append((lane, a + b))
            self._lanes[lane].append((a + b, item))
        for each in self._lanes:
            each.sort()
        self._longest = max((length for _, length in self._at), default=0.0)
        self._pool = list(range(len(self._sizes)))
        self._place = list(self._pool)
        self._queue = sorted(self._pool, key=self._hard.__getitem__)
        self._state = seed * 0x9E3779B97F4A7C15 + 12345

    def hardest(self) -> int:
        """The item that takes the largest share of a bin in some resource; -1 when there is none."""
        while self._queue and self._place[self._queue[-1]] < 0:
            self._queue.pop()
        return self._queue[-1] if self._queue else -1

    def may(self, item: int, offer: BinOffer) -> bool:
        shape = self._shapes[item]
        allowed = shape.allowed is None or offer.kind in shape.allowed
        return allowed and offer.slots > 0 and shape.size.fits_in(offer.size)

    def remove(self, item: int) -> None:
        place, last = self._place[item], self._pool.pop()
        if last != item:
            self._pool[place], self._place[last] = last, place
        self._place[item] = -1
        lane, length = self._at[item]
        del self._lanes[lane][bisect_right(self._lanes[lane], (length, item)) - 1]

    def pattern(self, chosen: Sequence[int]) -> list[tuple[Shape, int]]:
        counts: dict[int, int] = {}
        shapes: dict[int, Shape] = {}
        for item in chosen:
            shape = self._shapes[item]
            shapes[id(shape)] = shape
            counts[id(shape)] = counts.get(id(shape), 0) + 1
        return [(shape, counts[key]) for key, shape in shapes.items()]

    def best_of(self, first: int, offer: BinOffer, tries: int) -> tuple[float, list[int]]:
        """What the try is worth for the price of the offer, and its items."""
        price = price_of(offer)
        best, hardest, value = [first], -1.0, 0.0
        for number in range(tries):
            if number * len(best) > _DRAWS_MAX:
                break
            chosen = self._one_try(first, offer)
            hard = sum([self._hard[item] for item in chosen])
            if hard > hardest:
                worth = sum([self._worth[item] for item in chosen]) / price
                best, hardest, value = chosen, hard, worth
                if worth >= _FULL:
                    break
        return value, best

    def _one_try(self, first: int, offer: BinOffer) -> list[int]:
        chosen = {first: True}
        free = less(offer.size, self._sizes[first])
        slots, misses, left = offer.slots - 1, 0, len(self._pool)
        (x, y), (unit_x, unit_y) = self._axes, self._units
        enough = self._longest * _LAST
        while slots > 0 and misses <= _MISSES_MAX and free[x] * unit_x + free[y] * unit_y > enough:
            self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
            item = self._pool[(self._state >> 33) * left >> 31]
            if self._fits(item, free, offer.kind) and item not in chosen:
                chosen[item] = True
                free, slots = less(free, self._sizes[item]), slots - 1
            else:
                misses += 1
        while slots > 0 and (item := self._fullest(free, offer.kind, chosen)) >= 0:
            chosen[item] = True
            free, slots = less(free, self._sizes[item]), slots - 1
        return list(chosen)

    def _fits(self, item: int, free: _Free, kind: int) -> bool:
        size = self._sizes[item]
        if not fits(size, free):
            return False
        allowed = self._shapes[item].allowed
        return allowed is None or kind in allowed

    def _fullest(self, free: _Free, kind: int, chosen: Mapping[int, bool]) -> int:
        """The longest item that fits. Directions are looked at from that of the free room outwards, as long as one that just
        fits could be longer than what is found."""
        a, b = free[self._axes[0]] * self._units[0], free[self._axes[1]] * self._units[1]
        if a < 0 or b < 0:
            return -1
        start = min(_DIRECTIONS - 1, int(b / (a + b) * _DIRECTIONS)) if a + b > 0 else 0
        below, above = start, start + 1
        best, longest = -1, -1.0
        while below >= 0 or above < _DIRECTIONS:
            if below == start:
                most_below = a + b
            else:
                most_below = a / (1 - (below + 1) / _DIRECTIONS) if below >= 0 else -1.0
            most_above = b * _DIRECTIONS / above if above < _DIRECTIONS else -1.0
            most = max(most_below, most_above)
            if most <= longest:
                break
            if most_below >= most_above:
                lane, below = below, below - 1
            else:
                lane, above = above, above + 1
            row = self._lanes[lane]
            if row and row[0][0] <= most * _SLACK:
                found = self._in_lane(row, most, longest, free, kind, chosen)
                if found[1] >= 0:
                    longest, best = found
        return best

    def _in_lane(
        self,
        row: list[tuple[float, int]],
        most: float,
        least: float,
        free: _Free,
        kind: int,
        chosen: Mapping[int, bool],
    ) -> tuple[float, int]:
        """The longest that is no longer than `most`, longer than `least`, fits, and is not chosen yet."""
        end = bisect_right(row, (most * _SLACK, len(self._at)))
        for place in range(end - 1, max(-1, end - 1 - _SCAN_MAX), -1):
            length, item = row[place]
            if length <= least:
                break
            if self._fits(item, free, kind) and item not in chosen:
                return length, item
        return least, -1


def _scarcest(total: Sequence[int], offers: Sequence[BinOffer]) -> tuple[int, int]:
    """The two resources in which the demand alone would cost most."""

    def cost(d: int) -> float:
        rates = [max(1, offer.price_pico_per_hour) / offer.size[d] for offer in offers if offer.size[d] > 0]
        return total[d] * min(rates, default=0.0)

    first, second, *_ = sorted(range(len(total)), key=lambda d: (-cost(d), d))
    return first, second
