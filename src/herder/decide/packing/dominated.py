"""Leaves out offers that no packing needs: the same bins for the same items are cheaper elsewhere, and there are enough of them.

Called by `optimise` before it searches: a type of machine is sold in dozens of zones and markets, and the search would look at each. The cheapest packing costs the
same, since each bin of an offer that is left out can be one of an offer that is kept; a search that ends early may take another way to it.
"""

from collections.abc import Iterable, Mapping, Sequence

from herder.decide.packing.groups import BinOffer
from herder.decide.packing.shapes import Shape


def needed_offers(
    shapes: Iterable[Shape], offers: Sequence[BinOffer], group_limits: Mapping[int, int]
) -> list[BinOffer]:
    """In their order. Costs a step an offer and distinct set of kinds that items allow. Those of a group that may open none stay: what is worth
    a price is measured with them, too."""
    shapes = tuple(shapes)
    bins = sum(shape.left for shape in shapes)  # each has an item at least
    allowed = list({shape.allowed for shape in shapes if shape.allowed is not None})
    kept, there = set[tuple[int, int]](), dict[object, int]()
    alike: dict[int, tuple[bool, ...]] = {}
    for offer in sorted(offers, key=lambda each: (each.price_pico_per_hour, each.kind, each.key)):
        if offer.kind not in alike:
            alike[offer.kind] = tuple(offer.kind in kinds for kinds in allowed)
        look = alike[offer.kind], offer.size, offer.slots, offer.limit_group
        most = bins if offer.limit_group is None else min(bins, group_limits[offer.limit_group])
        if there.get(look, 0) < most or not most:
            there[look] = there.get(look, 0) + offer.limit
            kept.add((offer.kind, offer.key))
    return [offer for offer in offers if (offer.kind, offer.key) in kept]
