"""The price of a unit of each resource in the cheapest fractional cover of the demand.

Called by `lower_bound`, which proves the price of the whole with them, and by `decide/packing/search/local_search`, which opens the bins whose content is
worth most for the money. Shapes are put in classes by where they may go: items of a class that is confined to dear offers
are worth more. The prices come from floats; any prices whatever give a valid bound, better ones a higher one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from herder.decide.packing.bounds.linear import maximise
from herder.decide.packing.groups import Bin, BinOffer
from herder.decide.packing.kernels import worth_of
from herder.decide.packing.open_bins import PRICE_SCALE
from herder.decide.packing.shapes import Shape
from herder.model.values.vectors import least_of

#: Of each resource, then of slots.
Vector = tuple[int, ...]
#: Offers and kinds of existing bins are both places: offers by their number, kinds as -1 - kind.
Places = frozenset[int]
#: By class, what a unit of each resource is worth.
Prices = dict[Places, tuple[float, ...]]

#: Cells of the programme beyond which the classes are merged: it must stay a matter of milliseconds.
CELLS_MAX = 40_000


@dataclass(frozen=True, slots=True)
class Question:
    """The demand of one packing, by class, and the places for it."""

    demand: Mapping[Places, Vector]
    """Each with the sum of what its items ask for."""
    free: Mapping[int, Vector]
    """By kind of existing bin, what all of them have."""
    offers: Sequence[BinOffer]
    group_limits: Mapping[int, int]


def places_of(shapes: Iterable[Shape], offers: Sequence[BinOffer], kinds: Iterable[int]) -> list[Places]:
    """For each shape, where an item of it may go at all."""
    numbers = range(len(offers))
    existing = tuple(kinds)
    known: dict[tuple[frozenset[int] | None, tuple[bool, ...]], Places] = {}
    usable = [offer.size if offer.slots > 0 else offer.size.filled(-1) for offer in offers]
    smallest = least_of(usable) if usable else None
    everywhere = (True,) * len(offers)
    result = []
    for shape in shapes:
        fits = everywhere
        if smallest is not None and not shape.size.fits_in(smallest):
            fits = tuple([shape.size.fits_in(size) for size in usable])
        key = shape.allowed, fits
        places = known.get(key)
        if places is None:
            may = shape.allowed
            places = known[key] = frozenset(
                number for number in numbers if fits[number] and (may is None or offers[number].kind in may)
            ) | frozenset(-1 - kind for kind in existing if may is None or kind in may)
        result.append(places)
    return result


def worths(prices: Prices, shapes: Sequence[Shape], places: Sequence[Places]) -> dict[int, int]:
    """By id of the shape, what one item is worth at these prices, in parts of `opening.PRICE_SCALE`. Never nothing."""
    worth = {}
    for shape, where in zip(shapes, places, strict=True):
        each = prices.get(where)
        worth[id(shape)] = 1 + (0 if each is None else int(worth_of(each, shape.size) * PRICE_SCALE))
    return worth


def question(
    shapes: Iterable[tuple[Shape, int]],
    bins: Iterable[Bin],
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
) -> Question:
    """`shapes`: each with how many of it must be placed."""
    counted = list(shapes)
    columns = list(zip(*(shape.size for shape, _ in counted), strict=True))
    least, most = [min(column) for column in columns], [max(column) for column in columns]
    free: dict[int, Vector] = {}
    for each in bins:
        more = _usable(each, least, most)
        have = free.get(each.kind, (0,) * len(more))
        free[each.kind] = tuple(a + b * each.count for a, b in zip(have, more, strict=True))
    # What can go nowhere asks for nothing.
    sums: dict[Places, list[int]] = {}
    for (shape, count), where in zip(
        counted, places_of((shape for shape, _ in counted), offers, free), strict=True
    ):
        if not where:
            continue
        total = sums.setdefault(where, [0] * (len(shape.size) + 1))
        for d, amount in enumerate(shape.size):
            total[d] += amount * count
        total[-1] += count
    return Question(
        demand={where: tuple(total) for where, total in sums.items()},
        free=free,
        offers=offers,
        group_limits=group_limits,
    )


def best_prices(asked: Question) -> Prices:
    """The prices of one programme over all classes; when that is too large, of one in which they are one class."""
    classes = list(asked.demand)
    if not classes:
        return {}
    found = _solve(asked, {each: each for each in classes})
    if found is None:
        everywhere: Places = frozenset().union(*classes)
        found = _solve(asked, dict.fromkeys(classes, everywhere)) or {}
        nothing = (0.0,) * len(asked.demand[classes[0]])
        return {each: found.get(everywhere, nothing) for each in classes}
    return found


def _usable(target: Bin, least: Sequence[int], most: Sequence[int]) -> Vector:
    """What items between these sizes could use of a bin at most: a bin without CPU has no use for its memory."""
    slots = min(
        (have // ask for have, ask in zip(target.free, least, strict=True) if ask > 0), default=target.slots
    )
    slots = max(0, min(slots, target.slots))
    return (*(max(0, min(have, ask * slots)) for have, ask in zip(target.free, most, strict=True)), slots)


def _solve(asked: Question, merged: Mapping[Places, Places]) -> Prices | None:
    """Variables, each by dimension: the worth in each class, and in each set of places that hold the same several classes
    (there it is the highest of theirs); then one for each limit of an offer and of a group."""
    total: dict[Places, list[int]] = {}
    for each, amounts in asked.demand.items():
        old = total.setdefault(merged[each], [0] * len(amounts))
        total[merged[each]] = [a + b for a, b in zip(old, amounts, strict=True)]
    classes = sorted(total, key=sorted)
    places = range(len(next(iter(total.values()))))
    dims = [d for d in places if any(amounts[d] for amounts in total.values())]
    inside = {place: tuple(i for i, each in enumerate(classes) if place in each) for place in _places(asked)}
    blocks: dict[tuple[int, ...], int] = {(i,): i for i in range(len(classes))}
    for held in inside.values():
        if held and held not in blocks:
            blocks[held] = len(blocks)
    groups = sorted({o.limit_group for o in asked.offers if o.limit_group is not None})
    width = len(blocks) * len(dims) + len(asked.offers) + len(groups)
    links = [(i, block) for held, block in blocks.items() if len(held) > 1 for i in held]
    height = len(asked.offers) + len(links) * len(dims)
    if height * (width + height) > CELLS_MAX:
        return None
    programme = _Programme(asked, total, classes, dims, inside, blocks, groups, width)
    programme.add_demand()
    programme.add_offers()
    programme.add_links(links)
    return programme.solved()


def _places(asked: Question) -> list[int]:
    return [*range(len(asked.offers)), *(-1 - kind for kind in asked.free)]


class _Programme:
    """Its rows, scaled to the demand and to the dearest offer, so that numbers are near one."""

    def __init__(
        self,
        asked: Question,
        total: Mapping[Places, Sequence[int]],
        classes: Sequence[Places],
        dims: Sequence[int],
        inside: Mapping[int, tuple[int, ...]],
        blocks: Mapping[tuple[int, ...], int],
        groups: Sequence[int],
        width: int,
    ) -> None:
        self._asked, self._total, self._classes, self._dims = asked, total, classes, dims
        self._inside, self._blocks, self._groups = inside, blocks, groups
        whole = [max(1, sum(amounts[d] for amounts in total.values())) for d in dims]
        count = _count_scale(asked, dims, whole)
        self._unit = [count / each for each in whole]
        self._dearest = max((offer.price_pico_per_hour for offer in asked.offers), default=1) or 1
        self._gains = [0.0] * width
        self._rows: list[list[float]] = []
        self._room: list[float] = []

    def add_demand(self) -> None:
        """What is asked for is worth something; what existing bins can take of it must be paid to nobody."""
        size = len(self._dims)
        for i, each in enumerate(self._classes):
            for j, d in enumerate(self._dims):
                self._gains[i * size + j] += self._total[each][d] * self._unit[j]
        for kind, have in self._asked.free.items():
            held = self._inside[-1 - kind]
            for j, d in enumerate(self._dims if held else ()):
                self._gains[self._blocks[held] * size + j] -= have[d] * self._unit[j]

    def add_offers(self) -> None:
        """What a new bin holds is worth its price at most, or its limit is worth the rest."""
        size, limits_at = len(self._dims), len(self._blocks) * len(self._dims)
        for number, offer in enumerate(self._asked.offers):
            row = [0.0] * len(self._gains)
            held = self._inside[number]
            for j, d in enumerate(self._dims if held else ()):
                row[self._blocks[held] * size + j] = (*offer.size, offer.slots)[d] * self._unit[j]
            row[limits_at + number] = -1.0
            self._gains[limits_at + number] = -float(offer.limit)
            if offer.limit_group is not None:
                at = limits_at + len(self._asked.offers) + self._groups.index(offer.limit_group)
                row[at] = -1.0
                self._gains[at] = -float(max(0, self._asked.group_limits.get(offer.limit_group, 0)))
            self._rows.append(row)
            self._room.append(offer.price_pico_per_hour / self._dearest)

    def add_links(self, links: Sequence[tuple[int, int]]) -> None:
        """Where several classes may go, a unit is worth at least what it is to each."""
        size = len(self._dims)
        for i, block in links:
            for j in range(size):
                row = [0.0] * len(self._gains)
                row[i * size + j], row[block * size + j] = 1.0, -1.0
                self._rows.append(row)
                self._room.append(0.0)

    def solved(self) -> Prices:
        found = maximise(self._gains, self._rows, self._room)
        prices: Prices = {}
        for i, each in enumerate(self._classes):
            worth = [0.0] * len(self._total[each])
            for j, d in enumerate(self._dims):
                worth[d] = found[i * len(self._dims) + j] * self._dearest * self._unit[j]
            prices[each] = tuple(worth)
        return prices


def _count_scale(asked: Question, dims: Sequence[int], whole: Sequence[int]) -> float:
    """About how many of the largest offer the demand would fill."""
    parts = [
        whole[j] / (*offer.size, offer.slots)[d]
        for offer in asked.offers
        for j, d in enumerate(dims)
        if (*offer.size, offer.slots)[d] > 0
    ]
    return max(1.0, min(parts, default=1.0))
