"""Opens new bins for the remaining items: the offer with the largest worth of content for its price, as often as its content repeats.

Called by `pack` with the plain worth of each item and by `decide/packing/search/local_search` with better prices and other styles of filling. It never
opens more than the limits of an offer and of its group allow.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cmp_to_key

from herder.decide.packing.fill_bin import PLAIN, Pattern, Style, fill
from herder.decide.packing.groups import BinOffer
from herder.decide.packing.shapes import WINDOW, Shape, ShapeTable
from herder.model.values.resources import Resources

#: Prices are multiplied by this, so that the worth of a small item is not lost in whole pico-USD even when all is free.
PRICE_SCALE = 2**24

#: Where small bins are preferred, an offer counts as no worse than the best down to this part of its worth for the money: prices
#: of one family of machines are equal for each core but for rounding.
AS_GOOD = (98, 100)

#: What was filled before, by kind, free room and slots. An old answer is right as long as there are items enough for it.
Known = dict[tuple[int, Resources, int], Pattern]


def known_fill(
    table: ShapeTable, kind: int, free: Resources, slots: int, known: Known, style: Style = PLAIN
) -> Pattern:
    """`fill`, remembered."""
    if slots <= 0 or not table.least.fits_in(free):
        return []
    pattern = known.get((kind, free, slots))
    if pattern is None or any(shape.left < count for shape, count in pattern):
        pattern = known[kind, free, slots] = fill(table, kind, free, slots, style)
    return pattern


def copies_of(pattern: Pattern) -> int:
    return min(shape.left // count for shape, count in pattern)


@dataclass(slots=True)
class OfferLimits:
    """How many more of each offer may be opened."""

    offers: Mapping[tuple[int, int], int]
    groups: Mapping[int, int]
    used: dict[tuple[int, int], int] = field(default_factory=dict)
    group_used: dict[int, int] = field(default_factory=dict)

    def of(self, offer: BinOffer) -> int:
        room = self.offers[offer.kind, offer.key] - self.used.get((offer.kind, offer.key), 0)
        if offer.limit_group is None:
            return room
        return min(room, self.groups[offer.limit_group] - self.group_used.get(offer.limit_group, 0))

    def take(self, offer: BinOffer, copies: int) -> None:
        key = offer.kind, offer.key
        self.used[key] = self.used.get(key, 0) + copies
        if offer.limit_group is not None:
            self.group_used[offer.limit_group] = self.group_used.get(offer.limit_group, 0) + copies


def offer_limits_of(offers: Sequence[BinOffer], group_limits: Mapping[int, int]) -> OfferLimits:
    return OfferLimits({(offer.kind, offer.key): offer.limit for offer in offers}, group_limits)


@dataclass(slots=True)
class Choice:
    offer: BinOffer
    pattern: Pattern
    worth: int
    price: int

    def better_than(self, other: "Choice") -> bool:
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


#: A run of equal new bins.
Run = tuple[BinOffer, Pattern, int]


def open_bins(
    table: ShapeTable,
    offers: Sequence[BinOffer],
    room: OfferLimits,
    known: Known,
    *,
    worth: Mapping[int, int],
    style: Style = PLAIN,
    keep_going: Callable[[], bool] = lambda: True,
    finer: Set[int] = frozenset(),
) -> list[Run]:
    """`worth`: by id of the shape. Takes what is placed off the table. Stops early, with a part, when told to. `finer`: the
    limit groups in which, of offers that are as good, the smallest is taken."""
    runs: list[Run] = []
    stale: list[Choice] = []
    # With many shapes hardly any content repeats; then an offer is looked at again only if it was good the last time.
    lazy = len(table.shapes) > WINDOW

    def fresh(offer: BinOffer) -> Choice | None:
        return look(table, offer, room, known, worth, style)

    while keep_going():
        best, seen = _best_of_stale(stale, fresh)
        if best is None:
            best, seen = _best_of_all(offers, fresh)
        if best is None:
            break
        if finer:
            best = _smallest_as_good(best, seen, finer)
        copies = min(copies_of(best.pattern), room.of(best.offer))
        for shape, count in best.pattern:
            shape.left -= count * copies
        room.take(best.offer, copies)
        runs.append((best.offer, best.pattern, copies))
        if lazy:
            stale = _sorted(seen)
            if len(runs) % 16 == 0:
                table.forget_what_is_gone()
    return runs


def _best_of_all(
    offers: Sequence[BinOffer], fresh: Callable[[BinOffer], Choice | None]
) -> tuple[Choice | None, list[Choice]]:
    seen = [found for offer in offers if (found := fresh(offer)) is not None]
    best: Choice | None = None
    for found in seen:
        if best is None or found.better_than(best):
            best = found
    return best, seen


def _best_of_stale(
    stale: Sequence[Choice], fresh: Callable[[BinOffer], Choice | None]
) -> tuple[Choice | None, list[Choice]]:
    """`stale`: the best first. What was no better the last time is left as it was: it seldom gets better."""
    best: Choice | None = None
    seen: list[Choice] = []
    for place, choice in enumerate(stale):
        if best is not None and not choice.better_than(best):
            return best, [*seen, *stale[place:]]
        found = fresh(choice.offer)
        if found is not None:
            seen.append(found)
            if best is None or found.better_than(best):
                best = found
    return best, seen


def _smallest_as_good(best: Choice, seen: Sequence[Choice], finer: Set[int]) -> Choice:
    """Of the same group as the best, and worth as much for the money."""
    group = best.offer.limit_group
    if group not in finer:
        return best
    part, whole = AS_GOOD
    return min(
        (
            each
            for each in seen
            if each.offer.limit_group == group
            and each.worth * best.price * whole >= best.worth * each.price * part
        ),
        key=lambda each: (each.price, each.offer.size, each.offer.kind, each.offer.key),
    )


def _compare(a: Choice, b: Choice) -> int:
    return -1 if a.better_than(b) else 1 if b.better_than(a) else 0


def _sorted(choices: list[Choice]) -> list[Choice]:
    return sorted(choices, key=cmp_to_key(_compare))


def look(
    table: ShapeTable,
    offer: BinOffer,
    room: OfferLimits,
    known: Known,
    worth: Mapping[int, int],
    style: Style,
) -> Choice | None:
    if room.of(offer) <= 0:
        return None
    pattern = known_fill(table, offer.kind, offer.size, offer.slots, known, style)
    if not pattern:
        return None
    return Choice(offer, pattern, sum(worth[id(shape)] * count for shape, count in pattern), price_of(offer))


def price_of(offer: BinOffer) -> int:
    return max(1, offer.price_pico_per_hour) * PRICE_SCALE


def plain_worth(shapes: Sequence[Shape], offers: Sequence[BinOffer]) -> dict[int, int]:
    """By shape: what one item costs by itself where it is cheapest, by the dimension it needs most of. An offer that
    pairs CPU-heavy with memory-heavy items is worth more than its price."""
    worth = {}
    for shape in shapes:
        costs = [
            -(-price_of(offer) * ask // have)
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
