"""Empties a few bins, the worst and some others, and packs their items again; repeated.

Called by `local_search` with the best answer so far. What is no dearer is kept, of equals what leaves the worst bins emptier, so that
in the end one of them can go. It has no clock; which bins are taken and how they are filled follows from the turn's number.
"""

from bisect import insort
from collections.abc import Mapping, Sequence

from herder.decide.packing.fill_bin import Pattern, Style
from herder.decide.packing.groups import BinOffer
from herder.decide.packing.open_bins import OfferLimits, Run, offer_limits_of, open_bins, price_of
from herder.decide.packing.search.exact_fill import ITEMS_A_BIN, combine
from herder.decide.packing.search.solution import Solution, Task, cheaper, cost_of, score_of
from herder.decide.packing.shapes import Shape, ShapeTable

#: How many bins are taken apart at a time, in turn: to fill by alignment, and to fill item by item.
_PARTS = (2, 3, 4, 6, 8, 12, 16, 24)
_ITEM_PARTS = (3, 5, 8, 12, 20, 32, 6, 16)
#: Tries of each bin that is filled item by item.
_TRIES = 12
#: Turns without a gain after which there is none to be had.
_IDLE_MAX = 1_000
#: Offers that are tried item by item.
_OFFERS_MAX = 3
#: Fills are whole numbers of this part of the price.
_FINE = 1_000
#: What a gain counts a turn later.
_MEMORY = 0.9

#: Fill, number that tells equal ones apart, offer, content, copies.
_Row = tuple[int, int, BinOffer, Pattern, int]


def rebuild(
    task: Task, first: Solution, worth: Mapping[int, int], enough: int, styles: Sequence[Style]
) -> Solution:
    for shape in task.table.shapes:
        shape.left = 0
    bins = _Bins(task, first, worth)
    turn, idle = 0, 0
    gains = {True: 1.0, False: 1.0}
    while idle < _IDLE_MAX and bins.rows and task.keep_going() and not bins.is_enough(enough):
        # Both ways are tried now and then; the one that gained more of late more often.
        better = gains[True] >= gains[False]
        by_item = better if turn % 4 else not better
        cost = bins.cost
        idle = 0 if _turn(task, bins, turn, styles, by_item=by_item) else idle + 1
        gains[by_item] = gains[by_item] * _MEMORY + (cost - bins.cost) / bins.dearest
        turn += 1
    return bins.answer()


class _Bins:
    """The worst-filled first."""

    def __init__(self, task: Task, answer: Solution, worth: Mapping[int, int]) -> None:
        self.worth = worth
        self.room: OfferLimits = offer_limits_of(task.offers, task.group_limits)
        self.rows: list[_Row] = []
        self.unplaced, self.cost, self.count = answer.score
        self.dearest = max((offer.price_pico_per_hour for offer in task.offers), default=0) or 1
        self._made = 0
        for run in answer.runs:
            self.add(run)

    def answer(self) -> Solution:
        runs = tuple((offer, pattern, copies) for _, _, offer, pattern, copies in self.rows)
        return Solution(runs, (self.unplaced, self.cost, self.count))

    def is_enough(self, enough: int) -> bool:
        return self.unplaced == 0 and self.cost <= enough

    def fill(self, run: Run) -> int:
        offer, pattern, _ = run
        return sum(self.worth[id(shape)] * count for shape, count in pattern) * _FINE // price_of(offer)

    def add(self, run: Run) -> None:
        self._made += 1
        insort(self.rows, (self.fill(run), self._made, *run), key=lambda row: row[:2])
        self.room.take(run[0], run[2])

    def take_one(self, place: int) -> Run:
        _, _, offer, pattern, copies = row = self.rows[place]
        if copies > 1:
            self.rows[place] = (*row[:4], copies - 1)
        else:
            del self.rows[place]
        self.room.take(offer, -1)
        return offer, pattern, 1


def _turn(task: Task, bins: _Bins, turn: int, styles: Sequence[Style], *, by_item: bool) -> bool:
    """Whether it is cheaper now, or as good and less even."""
    parts = (_ITEM_PARTS if by_item else _PARTS)[turn % 8]
    taken = _chosen(bins, parts, turn)
    counts: dict[int, int] = {}
    shapes: dict[int, Shape] = {}
    for _, pattern, copies in taken:
        for shape, count in pattern:
            shapes[id(shape)] = shape
            counts[id(shape)] = counts.get(id(shape), 0) + count * copies
    rows = [(shape, counts[key]) for key, shape in shapes.items()]
    if by_item and sum(counts.values()) <= ITEMS_A_BIN * len(taken):
        found = _by_item(task, bins, rows, taken, turn)
    else:
        found = _by_alignment(task, bins, rows, styles[turn % len(styles)])
    left = sum(shape.left for shape, _ in rows)
    for shape, _ in rows:
        shape.left = 0
    new, old = score_of(found, left), score_of(taken, 0)
    better = new < old
    if better or (new == old and _evenness(bins, found) > _evenness(bins, taken)):
        kept = found
    else:
        kept = taken
    # `open_bins` has taken its room already.
    for offer, _, copies in found:
        bins.room.take(offer, -copies)
    for run in kept:
        bins.add(run)
    bins.cost += cost_of(kept) - cost_of(taken)
    bins.count += sum(run[2] for run in kept) - len(taken)
    return better


def _evenness(bins: _Bins, runs: Sequence[Run]) -> int:
    return sum(bins.fill(run) ** 2 * run[2] for run in runs)


def _chosen(bins: _Bins, parts: int, turn: int) -> list[Run]:
    worst = parts // 2 if turn % 3 else parts
    taken = [bins.take_one(0) for _ in range(worst) if bins.rows]
    step = 1
    while len(taken) < parts and bins.rows:
        taken.append(bins.take_one((turn * 7919 + step * 104729) % len(bins.rows)))
        step += 1
    return taken


def _by_alignment(task: Task, bins: _Bins, rows: Sequence[tuple[Shape, int]], style: Style) -> list[Run]:
    for shape, count in rows:
        shape.left = count
    table = ShapeTable.part([shape for shape, _ in rows])
    runs = open_bins(
        table, task.offers, bins.room, {}, worth=bins.worth, style=style, keep_going=task.keep_going
    )
    return cheaper(runs, task.offers, bins.room)


def _by_item(
    task: Task, bins: _Bins, rows: Sequence[tuple[Shape, int]], taken: Sequence[Run], turn: int
) -> list[Run]:
    """In the offers that these bins were of."""
    used: dict[tuple[int, int], BinOffer] = {}
    for offer, _, _ in taken:
        used.setdefault((offer.kind, offer.key), offer)
    offers = sorted(used.values(), key=lambda offer: (-offer.price_pico_per_hour, offer.kind, offer.key))
    offers = offers[:_OFFERS_MAX]
    runs = combine(
        rows, offers, bins.room, worth=bins.worth, tries=_TRIES, seed=turn, keep_going=task.keep_going
    )
    for shape, count in rows:
        shape.left = count
    for _, pattern, copies in runs:
        for shape, count in pattern:
            shape.left -= count * copies
    if any(shape.left for shape, _ in rows):
        rest = ShapeTable.part([shape for shape, _ in rows if shape.left])
        runs += open_bins(rest, task.offers, bins.room, {}, worth=bins.worth, keep_going=task.keep_going)
    return cheaper(runs, task.offers, bins.room)
