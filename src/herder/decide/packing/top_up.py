"""New workers that a search has chosen, and a few more where placement, which fills workers in its own way, finds no room on them for all. Pure.

Used by the trigger for queued jobs. What is answered holds: filled as placement fills it, it has the same jobs as the search has placed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from herder.decide.packing.groups import Bin, BinOffer, ItemGroup, Opened, Packing
from herder.decide.packing.optimise import Optimised
from herder.decide.packing.pack import pack


def bins_of(opened: Iterable[Opened], offers: Sequence[BinOffer]) -> list[Bin]:
    """As bins that stand; their keys are negative, as those of new ones are."""
    by_key = {(offer.kind, offer.key): offer for offer in offers}
    found = []
    for each in opened:
        offer = by_key[each.kind, each.offer_key]
        found.append(Bin(key=each.key, kind=each.kind, free=offer.size, slots=offer.slots, count=each.copies))
    return found


def topped_up(
    items: Sequence[ItemGroup],
    bins: Sequence[Bin],
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    found: Optimised,
) -> Optimised | None:
    """`found` with further workers for what has no room, within the limits. None: there is no room for all of it even then."""
    chosen = found.packing.opened
    left, limits = _left(chosen, offers, group_limits)
    standing = [*bins, *bins_of(chosen, offers)]
    more = pack(items, standing, open_bins=left, group_limits=limits).opened
    lowest = min((each.key for each in chosen), default=0)
    opened = (*chosen, *(replace(each, key=lowest + each.key) for each in more))
    packing = pack(items, [*bins, *bins_of(opened, offers)])
    if packing.unplaced != found.packing.unplaced:
        return None
    opened = _used(opened, packing)
    prices = {(offer.kind, offer.key): offer.price_pico_per_hour for offer in offers}
    return replace(
        found,
        packing=Packing(placed=packing.placed, opened=opened, unplaced=packing.unplaced),
        cost_pico_per_hour=sum(prices[each.kind, each.offer_key] * each.copies for each in opened),
    )


def _left(
    opened: Iterable[Opened], offers: Sequence[BinOffer], group_limits: Mapping[int, int]
) -> tuple[list[BinOffer], dict[int, int]]:
    """What may be opened beside these."""
    taken = Counter[tuple[int, int]]()
    for each in opened:
        taken[each.kind, each.offer_key] += each.copies
    limits = dict(group_limits)
    for offer in offers:
        if offer.limit_group is not None and offer.limit_group in limits:
            limits[offer.limit_group] -= taken[offer.kind, offer.key]
    left = [replace(offer, limit=offer.limit - taken[offer.kind, offer.key]) for offer in offers]
    return [offer for offer in left if offer.limit > 0], limits


def _used(opened: Iterable[Opened], packing: Packing) -> tuple[Opened, ...]:
    """Without those that nothing was placed on; bins of one key are filled in the order of their numbers."""
    last: dict[int, int] = {}
    for packed in packing.placed:
        last[packed.bin_key] = max(last.get(packed.bin_key, 0), packed.first_copy + packed.copies)
    return tuple(replace(each, copies=last[each.key]) for each in opened if each.key in last)
