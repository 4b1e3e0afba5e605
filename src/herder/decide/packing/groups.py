"""What goes into a packing and what comes out of it: groups of equal items, bins, offers of new bins, the result.

Used by everyone who calls `pack`; import the names from `herder.decide.packing.pack`. Holds no algorithm.
"""

from dataclasses import dataclass

from herder.model.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemGroup:
    """`count` equal items. `allowed` holds the kinds of bin they may go into; None means any kind."""

    key: int
    size: Resources
    count: int
    allowed: frozenset[int] | None = None


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
