"""Fills one bin: which items, and how many of each, go into a given free capacity.

Called by `pack` and `decide/packing/search/local_search` for each distinct bin. The choice of the next item is by alignment: the item whose demand
points most in the direction of what is still free, so that CPU-heavy and memory-heavy items end up side by side. It never
changes the table, so that the same answer can be used for every equal bin.
"""

from typing import NamedTuple

from herder.decide.packing.kernels import Kernel, Row
from herder.decide.packing.shapes import Lane, Shape, ShapeTable
from herder.model.values.resources import Resources

#: How many of each shape go into the bin.
Pattern = list[tuple[Shape, int]]


#: A lane so short is faster looked through than searched.
_SHORT = 12


class Style(NamedTuple):
    """How a bin is filled. The search tries several; everything that must agree with placement uses `PLAIN`."""

    chunk_divisor: int = 4
    """Of the items of a shape that still fit, the part placed at one go is one in so many."""
    length_exponent: float = 0.5
    """score = dot product / length ** this. A full division (cosine) forgets that large items are the hard ones, none at
    all (dot product) takes the large ones whatever their direction; between the two was best on the mixed sets."""
    base_percent: int = 0
    """So much of the bin is first filled with the same mix as all that is left, so that what is left stays a good mix."""


PLAIN = Style()


def fill(table: ShapeTable, kind: int, free: Resources, slots: int, style: Style = PLAIN) -> Pattern:
    """Maximal: at the end nothing that is left and allowed fits beside it."""
    pattern: Pattern = []
    for window in table.windows(kind):
        if slots <= 0 or not table.least.fits_in(free):
            break
        base = _mixed(window, free, slots, style.base_percent) if style.base_percent else {}
        for lane, count in base.items():
            free = free.minus(window[lane][0].size.times(count))
            slots -= count
        live = []
        for number, lane_ in enumerate(window):
            used = base.get(number, 0) if base else 0
            # Most often it is the first of its lane: worth not asking `_next`, placement runs through here at every turn.
            if lane_[0].left > used and lane_[0].size.fits_in(free):
                live.append((lane_, 0, used))
            elif len(lane_) > 1 and (place := _next(table.kernel, lane_, 1, free, 0)) > 0:
                live.append((lane_, place, used))
        if len(live) == 1 and len(live[0][0]) == 1:
            shape, used = live[0][0][0], live[0][2]
            taken = [(shape, min(shape.left - used, shape.size.how_many_in(free), slots))]
        elif live and slots > 0:
            taken = _align(table.kernel, live, free, slots, style)
        else:
            taken = []
        for shape, count in taken:
            free = free.minus(shape.size.times(count))
            slots -= count
        pattern += (
            _joined([(window[lane][0], count) for lane, count in base.items()], taken) if base else taken
        )
    return pattern


def _next(kernel: type[Kernel], lane: Lane, place: int, free: Resources, used: int) -> int:
    """The place of the first shape from there on of which something is left and fits; -1 when there is none."""
    if len(lane) - place > _SHORT:
        place = max(place, lane.first(kernel.reach(free, lane.scale, lane.ratios)))
    for at in range(place, len(lane)):
        shape = lane[at]
        if shape.left > used and shape.size.fits_in(free):
            return at
    return -1


def _joined(base: Pattern, taken: Pattern) -> Pattern:
    counts: dict[int, list[tuple[Shape, int]]] = {}
    for shape, count in (*base, *taken):
        counts.setdefault(id(shape), []).append((shape, count))
    return [(rows[0][0], sum(count for _, count in rows)) for rows in counts.values()]


def _mixed(window: list[Lane], free: Resources, slots: int, percent: int) -> dict[int, int]:
    """By lane: a part of the bin with the same mix as all that is left. Only where each shape has its lane."""
    if any(len(lane) > 1 for lane in window):
        return {}
    total = [0] * (len(free) + 1)
    may = [(number, lane[0]) for number, lane in enumerate(window) if lane[0].size.fits_in(free)]
    for _, shape in may:
        for d, ask in enumerate((*shape.size, 1)):
            total[d] += ask * shape.left
    parts = [(have, whole) for have, whole in zip((*free, slots), total, strict=True) if whole > 0]
    part, whole = min(parts, key=lambda pair: pair[0] / pair[1], default=(0, 1))
    if part >= whole:
        return {}
    found = {number: shape.left * part * percent // (whole * 100) for number, shape in may}
    return {number: count for number, count in found.items() if count > 0}


def _align(
    kernel: type[Kernel], live: list[tuple[Lane, int, int]], free: Resources, slots: int, style: Style
) -> Pattern:
    """Choose among lanes of which something fits at first. `live`: lane, place in it, how many the bin holds already."""
    scale = tuple(1.0 / have if have > 0 else 0.0 for have in free)
    slot_scale = 1.0 / slots
    power = -style.length_exponent / 2

    def row(index: int, shape: Shape) -> Row:
        length = slot_scale * slot_scale
        for amount, unit in zip(shape.size, scale, strict=True):
            length += (amount * unit) ** 2
        return kernel.row(index, shape.size, length**power)

    def following(index: int) -> Row | None:
        lane = live[index][0]
        if len(lane) > 1:
            place = places[index] = _next(kernel, lane, places[index] + 1, free, 0)
            if place >= 0:
                return row(index, lane[place])
        return None

    rows = [row(index, lane[place]) for index, (lane, place, _) in enumerate(live)]
    places = [place for _, place, _ in live]
    taken: dict[tuple[int, int], int] = {}
    while rows and slots > 0:
        weights = [have * unit * unit for have, unit in zip(free, scale, strict=True)]
        index = kernel.best(rows, weights, slots * slot_scale * slot_scale)
        lane, _, used = live[index]
        at = index, places[index]
        shape = lane[places[index]]
        have = taken.get(at, 0)
        fits = shape.size.how_many_in(free)
        # The chunk must not depend on what is left: only then does one bin's answer hold for all equal bins.
        alone = len(rows) == 1 and places[index] == len(lane) - 1
        count = min(fits if alone else max(1, fits // style.chunk_divisor), shape.left - used - have, slots)
        taken[at] = have + count
        free = free.minus(shape.size.times(count))
        slots -= count
        gone = index if have + count + used >= shape.left else -1
        rows = kernel.still_fitting(rows, free, gone, following)
    return [(live[index][0][place], count) for (index, place), count in taken.items()]
