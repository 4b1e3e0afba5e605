"""A packing that stands, of which one item at a time is changed: only that item moves, everything else stays where it is.

For callers that keep a packing between small changes of the demand (the bench measures it; what-if questions ask it). The
answer is a packing that holds, not the one that `pack` would make from scratch; make that again from time to time.
"""

from collections.abc import Iterable, Sequence

from herder.decide.packing.groups import Bin, BinOffer, ItemGroup, Packing
from herder.model.values.resources import Resources


class Standing:
    """Mutable; belongs to one caller."""

    def __init__(self) -> None:
        self._where: list[tuple[int, int]] = []
        self._kinds: list[int] = []
        self._free: list[Resources] = []
        self._slots: list[int] = []
        self._placed: dict[int, list[tuple[int, int]]] = {}
        self._items: dict[int, ItemGroup] = {}

    @classmethod
    def of(
        cls,
        items: Iterable[ItemGroup],
        bins: Sequence[Bin],
        packing: Packing,
        offers: Sequence[BinOffer] = (),
    ) -> "Standing":
        """`offers`: those from which the packing opened bins; without them its new bins are left out, with their items."""
        self = cls()
        self._items = {item.key: item for item in items}
        number: dict[tuple[int, int], int] = {}
        by_key = {(offer.kind, offer.key): offer for offer in offers}
        for each in bins:
            for copy in range(each.count):
                self._add(number, each.key, copy, each.kind, each.free, each.slots)
        for opened in packing.opened:
            offer = by_key.get((opened.kind, opened.offer_key))
            for copy in range(opened.copies if offer else 0):
                assert offer is not None
                self._add(number, opened.key, copy, offer.kind, offer.size, offer.slots)
        for packed in packing.placed:
            size = self._items[packed.item_key].size.times(packed.count)
            rows = self._placed.setdefault(packed.item_key, [])
            for copy in range(packed.first_copy, packed.first_copy + packed.copies):
                at = number.get((packed.bin_key, copy))
                if at is not None:
                    rows.append((at, packed.count))
                    self._free[at] = self._free[at].minus(size)
                    self._slots[at] -= packed.count
        return self

    def _add(
        self, number: dict[tuple[int, int], int], key: int, copy: int, kind: int, free: Resources, slots: int
    ) -> None:
        number[key, copy] = len(self._where)
        self._where.append((key, copy))
        self._kinds.append(kind)
        self._free.append(free)
        self._slots.append(slots)

    def change(self, item: ItemGroup) -> int:
        """Take away what was there of this item (by key), place it as it is now, bins in their order; returns how many
        found no place."""
        old = self._items.get(item.key)
        for at, count in self._placed.pop(item.key, ()):
            assert old is not None
            self._free[at] = self._free[at].plus(old.size.times(count))
            self._slots[at] += count
        self._items[item.key] = item
        left = item.count
        rows: list[tuple[int, int]] = []
        for at, free in enumerate(self._free):
            if left == 0:
                break
            if self._slots[at] <= 0 or not item.size.fits_in(free):
                continue
            if item.allowed is not None and self._kinds[at] not in item.allowed:
                continue
            count = min(left, item.size.how_many_in(free), self._slots[at])
            rows.append((at, count))
            self._free[at] = free.minus(item.size.times(count))
            self._slots[at] -= count
            left -= count
        self._placed[item.key] = rows
        return left

    def places(self, item_key: int) -> tuple[tuple[int, int, int], ...]:
        """(bin key, copy, how many) of one item."""
        return tuple((*self._where[at], count) for at, count in self._placed.get(item_key, ()))

    def room(self) -> tuple[tuple[Resources, int], ...]:
        """What is free, and how many slots, in each bin in order."""
        return tuple(zip(self._free, self._slots, strict=True))
