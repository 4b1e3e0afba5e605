"""A bound and a fractional packing from whole bin contents; nearly exact for few shapes.

Called by `optimise`. It prices each shape, looks for the content of each bin that is worth most at these prices (column
generation, Gilmore and Gomory 1961), and so on until none is worth more than its bin costs. Unlike resources, contents know
that two items of 60 % do not share a bin. Existing bins are offers that cost nothing and have a limit. What is proved is
proved in whole numbers at the prices found, whatever they are, so that it never says more than is true.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from herder.decide.packing.bounds.cover import Need, cheapest_cover
from herder.decide.packing.bounds.knapsack import Amounts, Best, most_worth
from herder.decide.packing.bounds.lower_bound import proved_by_contents
from herder.decide.packing.fill_bin import Pattern
from herder.decide.packing.groups import Bin, BinOffer
from herder.decide.packing.open_bins import Run
from herder.decide.packing.search.column_generation import Column, Master
from herder.decide.packing.shapes import Shape
from herder.model.values.resources import Resources

#: More are not looked at: rows of the programme, and places for contents.
SHAPES_MAX = 60
PLACES_MAX = 60
#: Contents looked at for one bin; while columns are still found, and for the proof.
_STEPS, _PROOF_STEPS = 400, 20_000
#: Rounds of new columns.
_ROUNDS_MAX = 150
#: A content that is worth no more than this part of its price is not looked for.
_NEAR = 1.0001
#: One step of `keep_going` pays for so many.
_CONTENTS_A_STEP = 50
#: And no more steps than this go into it: about half a second.
_STEPS_MAX = 1_200
#: What was proved last is used again for whole bins: so many proofs, and looks.
_NEEDS_MAX, _COVER_STEPS = 6, 4_000
_FINE = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """`bound` in pico-USD an hour. `runs`: new bins and how many of each, not whole numbers."""

    bound: int = 0
    runs: tuple[tuple[BinOffer, Pattern, float], ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """`offer` stands for itself or, with no price, for `limit` equal bins that are there."""

    offer: BinOffer
    there: bool
    rows: tuple[int, ...]
    """The shapes that may go there at all."""

    @property
    def free(self) -> Amounts:
        return (*self.offer.size, self.offer.slots)


def mix_of_contents(
    rows: Sequence[tuple[Shape, int]],
    bins: Sequence[Bin],
    offers: Sequence[BinOffer],
    group_limits: Mapping[int, int],
    *,
    known: Sequence[Run],
    worth: Mapping[int, int],
    enough: int,
    keep_going: Callable[[], bool],
) -> Mix:
    """`rows`: shapes, each with how many of it must be placed. `known`: contents to begin with; `worth`: prices to begin
    with, by id of the shape. `enough`: a cost that is reached; a bound as high is all one could want."""
    rows = [(shape, count) for shape, count in rows if count > 0]
    if not rows or len(rows) > SHAPES_MAX or len({(b.kind, b.free, b.slots) for b in bins}) > PLACES_MAX:
        return Mix()
    places = _places(rows, bins, offers)
    if len(places) > PLACES_MAX:
        return Mix()
    return _Generation(rows, places, group_limits, keep_going).run(known, worth, enough)


def _places(
    rows: Sequence[tuple[Shape, int]], bins: Sequence[Bin], offers: Sequence[BinOffer]
) -> list[_Place]:
    merged: dict[tuple[int, Resources, int], int] = {}
    for each in bins:
        merged[each.kind, each.free, each.slots] = (
            merged.get((each.kind, each.free, each.slots), 0) + each.count
        )
    there = [
        BinOffer(kind=kind, size=free, slots=slots, price_pico_per_hour=0, limit=count)
        for (kind, free, slots), count in sorted(merged.items())
    ]
    new = sorted(offers, key=lambda offer: (offer.kind, offer.key))
    found: list[_Place] = []
    for number, offer in enumerate((*there, *new)):
        may = tuple(
            i
            for i, (shape, _) in enumerate(rows)
            if (shape.allowed is None or offer.kind in shape.allowed) and shape.size.fits_in(offer.size)
        )
        if may and offer.slots > 0 and offer.limit > 0:
            found.append(_Place(offer, number < len(there), may))
    total = sum(count for _, count in rows)
    return [
        place
        for number, place in enumerate(found)
        if not any(
            _replaces(other, place, total) and (other_number < number or not _replaces(place, other, total))
            for other_number, other in enumerate(found)
            if other is not place
        )
    ]


def _replaces(a: _Place, b: _Place, total: int) -> bool:
    """Whatever `b` can hold `a` can hold for no more, as often as one likes."""
    return (
        a.offer.price_pico_per_hour <= b.offer.price_pico_per_hour
        and a.offer.limit >= total
        and a.offer.limit_group is None
        and not a.there
        and not b.there
        and b.offer.size.fits_in(a.offer.size)
        and b.offer.slots <= a.offer.slots
        and set(b.rows) <= set(a.rows)
    )


class _Generation:
    def __init__(
        self,
        rows: Sequence[tuple[Shape, int]],
        places: Sequence[_Place],
        group_limits: Mapping[int, int],
        keep_going: Callable[[], bool],
    ) -> None:
        self._rows, self._places, self._limits, self._keep_going = rows, places, group_limits, keep_going
        self._sizes: list[Amounts] = [(*shape.size, 1) for shape, _ in rows]
        self._counts = [count for _, count in rows]
        total = sum(self._counts)
        self._scale = max((place.offer.price_pico_per_hour for place in places), default=1) or 1
        self._limit_rows: dict[int, int] = {}
        self._group_rows: dict[int, int] = {}
        room = [float(count) for count in self._counts]
        for number, place in enumerate(places):
            if place.offer.limit < total:
                self._limit_rows[number] = len(room)
                room.append(float(place.offer.limit))
        for group in sorted({p.offer.limit_group for p in places if p.offer.limit_group is not None}):
            if group_limits.get(group, 0) < total:
                self._group_rows[group] = len(room)
                room.append(float(max(0, group_limits.get(group, 0))))
        self._master = Master(room, len(rows), dear=4.0)
        self._contents: list[tuple[int, dict[int, int]]] = []
        self._seen: set[tuple[int, tuple[tuple[int, int], ...]]] = set()
        self._bound = 0
        self._needs: list[Need] = []
        self._going, self._left = True, _STEPS_MAX

    def run(self, known: Sequence[Run], worth: Mapping[int, int], enough: int) -> Mix:
        self._begin_with(known)
        everywhere = range(len(self._places))
        active: Sequence[int] = everywhere
        prices, steps = [worth[id(shape)] for shape, _ in self._rows], _STEPS
        for _ in range(_ROUNDS_MAX):
            found = self._sweep(prices, active, steps)
            if not self._going or self._bound >= enough or (not found and steps == _PROOF_STEPS):
                break
            self._master.solve()
            prices = self._whole_prices()
            active, steps = (found, _STEPS) if found else (everywhere, _PROOF_STEPS)
        self._master.solve()
        runs = tuple(
            (self._places[number].offer, self._pattern(content), count)
            for tag, count in self._master.mix()
            for number, content in [self._contents[tag]]
            if not self._places[number].there
        )
        return Mix(bound=max(self._bound, self._cover(enough)), runs=runs)

    def _pattern(self, content: Mapping[int, int]) -> Pattern:
        return [(self._rows[i][0], count) for i, count in content.items()]

    def _begin_with(self, known: Sequence[Run]) -> None:
        index = {id(shape): i for i, (shape, _) in enumerate(self._rows)}
        at = {(p.offer.kind, p.offer.key): n for n, p in enumerate(self._places) if not p.there}
        for offer, pattern, _ in known:
            number = at.get((offer.kind, offer.key))
            if number is not None:
                self._add(number, {index[id(shape)]: count for shape, count in pattern})

    def _add(self, number: int, content: Mapping[int, int]) -> None:
        key = number, tuple(sorted(content.items()))
        if key in self._seen:
            return
        self._seen.add(key)
        entries = [(i, float(count)) for i, count in key[1]]
        if number in self._limit_rows:
            entries.append((self._limit_rows[number], 1.0))
        offer = self._places[number].offer
        if offer.limit_group in self._group_rows:
            entries.append((self._group_rows[offer.limit_group], 1.0))
        cost = offer.price_pico_per_hour / self._scale
        self._master.columns.append(Column(tuple(entries), cost, len(self._contents)))
        self._contents.append((number, dict(content)))

    def _whole_prices(self) -> list[int]:
        prices = self._master.prices()[: len(self._rows)]
        return [max(0, int(price * self._scale * _FINE)) for price in prices]

    def _sweep(self, prices: Sequence[int], numbers: Sequence[int], steps: int) -> list[int]:
        """The best contents at these prices; the places where one is worth more than it costs."""
        duals = self._master.prices()
        best: dict[int, Best] = {}
        found: list[int] = []
        for number in numbers:
            if not self._going:
                return found
            place = self._places[number]
            allowed = [0] * len(prices)
            for i in place.rows:
                allowed[i] = self._counts[i]
            toll = duals[self._limit_rows[number]] if number in self._limit_rows else 0.0
            if place.offer.limit_group in self._group_rows:
                toll += duals[self._group_rows[place.offer.limit_group]]
            paid = place.offer.price_pico_per_hour / self._scale - toll
            one = best[number] = most_worth(
                self._sizes,
                prices,
                allowed,
                place.free,
                steps=steps,
                enough=int(paid * self._scale * _FINE * _NEAR),
            )
            self._going = self._pay(1 + one.looked // _CONTENTS_A_STEP)
            if one.worth / _FINE / self._scale > paid + 1e-7:
                before = len(self._contents)
                self._add(number, one.content)
                if len(self._contents) > before:
                    found.append(number)
        if len(best) == len(self._places):
            self._prove(prices, best)
        return found

    def _pay(self, steps: int) -> bool:
        self._left -= steps
        return self._left > 0 and all(self._keep_going() for _ in range(steps))

    def _prove(self, prices: Sequence[int], best: Mapping[int, Best]) -> None:
        worth = sum(price * count for price, count in zip(prices, self._counts, strict=True))
        offers = [place.offer for place in self._places]
        most = [best[number].at_most for number in range(len(offers))]
        bound = proved_by_contents(worth, offers, most, self._limits, _FINE)
        if bound >= self._bound:
            self._needs = [*self._needs[-_NEEDS_MAX:], Need(worth, most)]
        self._bound = max(self._bound, bound)

    def _cover(self, enough: int) -> int:
        """With whole bins only. Group limits are left out, which makes it no dearer."""
        if not self._needs or len({p.offer.price_pico_per_hour for p in self._places}) < 2:
            return 0
        columns = [*zip(*(place.free for place in self._places), strict=True)]
        needs = [
            Need(
                sum(size[d] * count for size, count in zip(self._sizes, self._counts, strict=True)),
                columns[d],
            )
            for d in range(len(columns))
        ]
        prices = [place.offer.price_pico_per_hour for place in self._places]
        limits = [place.offer.limit for place in self._places]
        return cheapest_cover([*self._needs, *needs], prices, limits, below=enough, steps=_COVER_STEPS)
