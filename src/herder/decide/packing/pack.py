"""The one packing function: placement, scaling, dry runs and `why` all call it, so they cannot disagree about what fits.

It fills existing bins first, in the order given (oldest first, never best fit, so that the youngest workers fall empty and
can go), and then opens new bins from offers. It works on shapes with counts, never item by item; the same input gives the
same packing, and the order of items and offers does not matter. It knows nothing of jobs, workers or pools.

Read `_fill_bins`, then `_open_bins`; one bin is filled by `fill.py`. A stronger search for new bins (with a certified
bound) replaces `_open_bins` and nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from herder.decide.packing.fill import Pattern, fill
from herder.decide.packing.groups import Bin, BinOffer, ItemGroup, Opened, Packed, Packing
from herder.decide.packing.shapes import ShapeTable
from herder.model.resources import Resources

__all__ = ["Bin", "BinOffer", "ItemGroup", "Opened", "Packed", "Packing", "pack"]

#: Prices are multiplied by this, so that the worth of a small item is not lost in whole pico-USD even when all is free.
_PRICE_SCALE = 2**24

_Known = dict[tuple[int, Resources, int], Pattern]


def pack(
    items: Iterable[ItemGroup],
    bins: Sequence[Bin] = (),
    *,
    open_bins: Sequence[BinOffer] = (),
    group_limits: Mapping[int, int] | None = None,
) -> Packing:
    table = ShapeTable(items)
    if not table.shapes:
        return Packing(placed=(), opened=(), unplaced=())
    known: _Known = {}
    _fill_bins(table, bins, known)
    opened = _open_bins(table, open_bins, dict(group_limits or {}), known) if open_bins else []
    return Packing(placed=tuple(table.placed()), opened=tuple(opened), unplaced=tuple(table.unplaced()))


def _fill_bins(table: ShapeTable, bins: Sequence[Bin], known: _Known) -> None:
    unplaced = len(table.shapes)
    for target in bins:
        first = 0
        while first < target.count:
            pattern = _pattern(table, target.kind, target.free, target.slots, known)
            if not pattern:
                break
            copies = min(target.count - first, _copies(pattern))
            _put(pattern, target.key, first, copies)
            unplaced -= sum(1 for shape, _ in pattern if shape.left == 0)
            if unplaced == 0:
                return
            first += copies


def _pattern(table: ShapeTable, kind: int, free: Resources, slots: int, known: _Known) -> Pattern:
    """`fill`, remembered. An old answer is the right one as long as there are items enough for it."""
    if slots <= 0 or not table.least.fits_in(free):
        return []
    pattern = known.get((kind, free, slots))
    if pattern is None or any(shape.left < count for shape, count in pattern):
        pattern = known[kind, free, slots] = fill(table, kind, free, slots)
    return pattern


def _copies(pattern: Pattern) -> int:
    return min(shape.left // count for shape, count in pattern)


def _put(pattern: Pattern, bin_key: int, first: int, copies: int) -> None:
    for shape, count in pattern:
        shape.left -= count * copies
        shape.runs.append((bin_key, first, copies, count))


# --- new bins ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Choice:
    offer: BinOffer
    pattern: Pattern
    worth: int
    price: int

    def better_than(self, other: "_Choice") -> bool:
        """More worth for the money; of equals the one that holds more (fewer workers), then the smaller, then by kind."""
        mine, theirs = self.worth * other.price, other.worth * self.price
        if mine != theirs:
            return mine > theirs
        if self.worth != other.worth:
            return self.worth > other.worth
        return self._tie_break < other._tie_break

    @property
    def _tie_break(self) -> tuple[Resources, int, int]:
        return self.offer.size, self.offer.kind, self.offer.key


def _open_bins(
    table: ShapeTable, offers: Sequence[BinOffer], group_limits: dict[int, int], known: _Known
) -> list[Opened]:
    """Open the offer that gives the most worth for its price, as often as its content repeats; and again."""
    worth = _worths(table, offers)
    limits = {(offer.kind, offer.key): offer.limit for offer in offers}
    opened: list[Opened] = []
    while True:
        best: _Choice | None = None
        for offer in offers:
            if _room(offer, limits, group_limits) <= 0:
                continue
            pattern = _pattern(table, offer.kind, offer.size, offer.slots, known)
            if pattern:
                value = sum(worth[id(shape)] * count for shape, count in pattern)
                choice = _Choice(offer, pattern, value, _price(offer))
                if best is None or choice.better_than(best):
                    best = choice
        if best is None:
            return opened
        copies = min(_copies(best.pattern), _room(best.offer, limits, group_limits))
        key = -1 - len(opened)
        _put(best.pattern, key, 0, copies)
        opened.append(Opened(key=key, kind=best.offer.kind, offer_key=best.offer.key, copies=copies))
        limits[best.offer.kind, best.offer.key] -= copies
        if best.offer.limit_group is not None:
            group_limits[best.offer.limit_group] -= copies


def _room(offer: BinOffer, limits: Mapping[tuple[int, int], int], group_limits: Mapping[int, int]) -> int:
    room = limits[offer.kind, offer.key]
    return room if offer.limit_group is None else min(room, group_limits[offer.limit_group])


def _price(offer: BinOffer) -> int:
    return max(1, offer.price_pico_per_hour) * _PRICE_SCALE


def _worths(table: ShapeTable, offers: Sequence[BinOffer]) -> dict[int, int]:
    """By shape: what one item costs by itself where it is cheapest, by the dimension it needs most of. An offer that
    pairs CPU-heavy with memory-heavy items is worth more than its price."""
    worth = {}
    for shape in table.shapes:
        costs = [
            -(-_price(offer) * ask // have)
            for offer in offers
            if (shape.allowed is None or offer.kind in shape.allowed)
            and shape.size.fits_in(offer.size)
            and offer.slots > 0
            for ask, have in [_tightest(shape.size, offer)]
        ]
        worth[id(shape)] = min(costs, default=0)
    return worth


def _tightest(size: Resources, offer: BinOffer) -> tuple[int, int]:
    """The largest share that the item takes of the bin, as (asked, there)."""
    tightest = (1, offer.slots)
    for ask, have in zip(size, offer.size, strict=True):
        if ask * tightest[1] > tightest[0] * have:
            tightest = (ask, have)
    return tightest
