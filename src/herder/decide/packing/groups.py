"""Input and output of a packing: groups of equal items, bins, offers of new bins, the result.

Used by everyone who calls `pack`; import the names from `herder.decide.packing.pack`. Holds no algorithm, but for
`in_asked_dimensions`, by which packing looks at what is asked for and at nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from herder.model.values.resources import BUILT_IN, Resources
from herder.model.values.vectors import Wide, new_vector
from herder.model.work.apart import Apart


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemGroup:
    """`count` equal items. `allowed` holds the kinds of bin they may go into; None means any kind."""

    key: int
    size: Resources
    count: int
    allowed: frozenset[int] | None = None
    apart: Apart | None = None
    """Rules about other items: only `apart.pack_apart` honours them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """`count` equal bins, each with this much free and room for `slots` more items."""

    key: int
    kind: int
    free: Resources
    slots: int
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BinOffer:
    """New bins that may be opened, at most `limit`, and together with the other offers of its `limit_group` at most
    what `pack(group_limits=…)` says of that group. `key` tells apart offers of one kind (two sizes in one pool)."""

    kind: int
    size: Resources
    slots: int
    price_pico_per_hour: int
    limit: int
    key: int = 0
    limit_group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Each of the `copies` bins of `bin_key` from number `first_copy` on takes `count` items of `item_key`."""

    item_key: int
    bin_key: int
    count: int
    first_copy: int = 0
    copies: int = 1

    @property
    def total(self) -> int:
        return self.count * self.copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """`copies` new bins of one offer. `key` is negative and names them in `Packed.bin_key`."""

    key: int
    kind: int
    offer_key: int
    copies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """`unplaced` holds (item key, how many); an item is there only if no bin and no offer could take it any more."""

    placed: tuple[Packed, ...]
    opened: tuple[Opened, ...]
    unplaced: tuple[tuple[int, int], ...]


class _Part(Wide, Resources):
    """Some places of longer vectors."""

    __slots__ = ()


_size, _free = attrgetter("size"), attrgetter("free")


def in_asked_dimensions(
    items: Sequence[ItemGroup], bins: Sequence[Bin], offers: Sequence[BinOffer]
) -> tuple[Sequence[ItemGroup], Sequence[Bin], Sequence[BinOffer]]:
    """The same, all vectors of one length. Those of servers that declare nothing stay as they are; longer ones lose what no item
    asks for, which cannot keep anything out: so declared resources cost something only while somebody wants them."""
    few = len(BUILT_IN)
    width = max(
        {*map(len, map(_size, items)), *map(len, map(_free, bins)), *map(len, map(_size, offers))},
        default=few,
    )
    if width == few:
        return items, bins, offers
    asked = [place for place in range(width) if any(item.size.at(place) for item in items)]
    missing = max(0, few - len(asked))

    def part(vector: Resources) -> Resources:
        amounts = (*(vector.at(place) for place in asked), *(0,) * missing)
        return new_vector(Resources if len(amounts) == few else _Part, amounts)

    return (
        [replace(item, size=part(item.size)) for item in items],
        [replace(each, free=part(each.free)) for each in bins],
        [replace(offer, size=part(offer.size)) for offer in offers],
    )
