"""A certified lower bound: no packing of these items costs less. Called by `optimise` and by the planner.

Whatever unit prices are given, what the items are worth at these prices, less the most that the existing bins can hold, is
worth no more than what new bins hold; and each new bin holds at most a known worth for its price. That is checked here in
whole numbers, rounded against us, so that it is true even if the prices (from `shadow_prices`, floats) are bad. For a fleet of one
offer there is a second proof by dual feasible functions, which sees that large items do not fit together.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import gcd

from herder.decide.packing.bounds.shadow_prices import Places, Prices, Question, best_prices, question
from herder.decide.packing.groups import Bin, BinOffer
from herder.decide.packing.shapes import Shape

#: Prices are whole numbers of this part of a pico-USD.
_FINE = 2**24
#: Parts into which an item may be cut by the functions of `_stepped`; more see less.
_STEPS = (1, 2, 3, 4, 5, 7)
#: The largest item is at least such a part of the bin, or the functions see no more than volume does.
_LARGE = 12
#: Sizes of different resources are added up in whole numbers of this part of a bin.
_UNIT = 2**40
#: Thresholds tried for `_rounded`, evenly over the sizes that occur.
_THRESHOLDS = 12


def lower_bound(
    shapes: Iterable[tuple[Shape, int]],
    bins: Sequence[Bin],
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
) -> int:
    """In pico-USD an hour. `shapes`: each with how many of it are placed; offers may only be used within their limits."""
    rows = [(shape, count) for shape, count in shapes if count > 0]
    if not rows or not offers:
        return 0
    # In an order of their own: prices come from floats, and must not depend on how things were listed.
    offers = sorted(offers, key=lambda offer: (offer.kind, offer.key))
    bins = sorted(bins, key=lambda each: each.kind)
    asked = question(rows, bins, offers, group_limits)
    best = certify(asked, best_prices(asked))
    if len(offers) == 1:
        best = max(best, _of_one_offer(rows, bins, offers[0]))
    return _granules(best, offers)


def _granules(bound: int, offers: Sequence[BinOffer]) -> int:
    """A sum of prices is a multiple of what divides them all."""
    if not offers:
        return 0
    part = gcd(*(offer.price_pico_per_hour for offer in offers))
    return -(-bound // part) * part if part else 0


# --- by prices --------------------------------------------------------------------------------------------------------


def certify(asked: Question, prices: Prices) -> int:
    """The bound that these prices prove, at the scale at which they prove most."""
    whole = {each: tuple(int(value * _FINE) for value in worth) for each, worth in prices.items()}
    worth = sum(_dot(whole[each], amounts) for each, amounts in asked.demand.items())
    held = sum(_dot(_highest(whole, -1 - kind), have) for kind, have in asked.free.items())
    full = [
        _dot(_highest(whole, number), (*offer.size, offer.slots)) for number, offer in enumerate(asked.offers)
    ]
    costs = [offer.price_pico_per_hour * _FINE for offer in asked.offers]
    return _best_scale(asked.offers, asked.group_limits, worth - held, full, costs, _FINE)


def proved_by_contents(
    worth: int, offers: Sequence[BinOffer], most: Sequence[int], group_limits: Mapping[int, int], fine: int
) -> int:
    """The bound when all items are worth so much and no bin of an offer can hold more than `most`, both in parts of `fine`.
    Existing bins are among the offers, at no price and with their count as limit."""
    costs = [offer.price_pico_per_hour * fine for offer in offers]
    bound = _best_scale(offers, group_limits, worth, most, costs, fine)
    return _granules(bound, [offer for offer in offers if offer.price_pico_per_hour])


def _best_scale(
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    worth: int,
    full: Sequence[int],
    costs: Sequence[int],
    fine: int,
) -> int:
    scales = {Fraction(cost, most) for cost, most in zip(costs, full, strict=True) if most > 0 and cost > 0}
    best = max(
        (_at(offers, group_limits, scale, worth, full, costs) for scale in scales), default=Fraction(0)
    )
    return max(0, -(-best.numerator // (best.denominator * fine)))


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=False))


def _highest(prices: Mapping[Places, Sequence[int]], place: int) -> tuple[int, ...]:
    """What a unit can be worth in a place: as much as in the class that pays most and may go there."""
    width = len(next(iter(prices.values()), ()))
    rows = [(0,) * width, *(each for places, each in prices.items() if place in places)]
    return tuple(max(column) for column in zip(*rows, strict=True))


def _at(
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    scale: Fraction,
    worth: int,
    full: Sequence[int],
    costs: Sequence[int],
) -> Fraction:
    """An offer that holds more than it costs is used up to its limit; that is what the limits are good for."""
    excess: dict[int | None, list[tuple[Fraction, int]]] = {}
    for offer, most, cost in zip(offers, full, costs, strict=True):
        over = scale * most - cost
        if over > 0:
            excess.setdefault(offer.limit_group, []).append((over, offer.limit))
    lost = Fraction(0)
    for group, rows in excess.items():
        left = None if group is None else max(0, group_limits.get(group, 0))
        for over, limit in sorted(rows, reverse=True):
            used = max(0, limit) if left is None else min(max(0, limit), left)
            left = None if left is None else left - used
            lost += over * used
    return scale * worth - lost


# --- by dual feasible functions ---------------------------------------------------------------------------------------


def _of_one_offer(rows: Sequence[tuple[Shape, int]], bins: Sequence[Bin], offer: BinOffer) -> int:
    """In each resource by itself, and in sums of two and more, under each function: how many whole bins' worth there is, less
    the existing ones. Sums see that of items which are large in one resource or the other only so many fit together."""
    need = 0
    for weights in _sums(rows, offer):
        room = _dot(weights, offer.size)
        counts: dict[int, int] = {}
        for shape, count in rows:
            size = _dot(weights, shape.size)
            counts[size] = counts.get(size, 0) + count
        # What fits into an existing bin that is no larger than a new one would fit into a new one.
        free = [(_dot(weights, each.free), each.count) for each in bins]
        there = sum(count for have, count in free if have > 0)
        if max(counts) * _LARGE > room and all(have <= room for have, _ in free):
            need = max(need, _most(sorted(counts.items()), room) - there)
    return max(0, need) * offer.price_pico_per_hour


def _sums(rows: Sequence[tuple[Shape, int]], offer: BinOffer) -> list[tuple[int, ...]]:
    """Weights of the resources: each alone; of the two that are asked for most the even sum and two uneven ones; all."""
    places = range(len(offer.size))
    total = [sum(shape.size[d] * count for shape, count in rows) for d in places]
    asked = [d for d in places if total[d] and offer.size[d] > 0]
    asked.sort(key=lambda d: (-Fraction(total[d], offer.size[d]), d))
    parts = [{d: 1} for d in asked]
    if len(asked) > 1:
        a, b = asked[:2]
        parts += [{a: 1, b: 1}, {a: 2, b: 1}, {a: 1, b: 2}]
    if len(asked) > 2:
        parts.append(dict.fromkeys(asked, 1))
    units = [_UNIT // have if have > 0 else 0 for have in offer.size]
    return [tuple(units[d] * part.get(d, 0) for d in places) for part in parts]


def _most(counts: Sequence[tuple[int, int]], room: int) -> int:
    small = [size for size, _ in counts if 0 < size * 2 <= room]
    chosen = {0, *small[:: max(1, len(small) // _THRESHOLDS)], *small[-1:]}
    found = [_rounded(counts, room, threshold) for threshold in chosen]
    found += [_stepped(counts, room, steps) for steps in _STEPS]
    return max(found)


def _rounded(counts: Sequence[tuple[int, int]], room: int, threshold: int) -> int:
    """Items that leave less than the threshold take a whole bin, items below the threshold nothing."""
    worth = sum(
        count * (room if size > room - threshold else size if size >= threshold else 0)
        for size, count in counts
    )
    return -(-worth // room)


def _stepped(counts: Sequence[tuple[int, int]], room: int, steps: int) -> int:
    """An item counts as the whole parts of 1 / (steps + 1) that it exceeds; where it is an exact number of them, as it is."""
    worth = 0
    for size, count in counts:
        parts, rest = divmod(size * (steps + 1), room)
        worth += count * parts * (steps + 1 if rest else steps)
    return -(-worth // (steps * (steps + 1)))
