"""Fill one bin: which items, and how many of each, go into so much free room.

Called by `pack` for each distinct bin. The choice of the next item is by alignment: the item whose demand points most in
the direction of what is still free, so that CPU-heavy and memory-heavy items end up side by side. It never changes the
table, so that the same answer can be used for every equal bin.
"""

from herder.decide.packing.shapes import Shape, ShapeTable
from herder.model.resources import Resources

#: How many of each shape go into the bin.
Pattern = list[tuple[Shape, int]]

#: Of the items of a shape that still fit, the part placed at one go. One by one is no better (measured) and slower.
CHUNK_DIVISOR = 4

#: score = dot product / length ** 0.5. A full division (cosine) forgets that large items are the hard ones, none at all
#: (dot product) takes the large ones whatever their direction; between the two was best on the mixed sets.
LENGTH_EXPONENT = 0.5


def fill(table: ShapeTable, kind: int, free: Resources, slots: int) -> Pattern:
    """Maximal: at the end nothing that is left and allowed fits beside it."""
    pattern: Pattern = []
    for window in table.windows(kind):
        if slots <= 0 or not table.least.fits_in(free):
            break
        live = [shape for shape in window if shape.left > 0 and shape.size.fits_in(free)]
        if len(live) == 1:
            taken = {0: min(live[0].left, live[0].size.how_many_in(free), slots)}
        elif live:
            taken = _align(live, free, slots)
        else:
            continue
        for index, count in taken.items():
            pattern.append((live[index], count))
            free = free.minus(live[index].size.times(count))
            slots -= count
    return pattern


def _align(live: list[Shape], free: Resources, slots: int) -> dict[int, int]:
    """Choose among shapes that all fit at first; returns how many of each, by place in `live`."""
    scale = tuple(1.0 / have if have > 0 else 0.0 for have in free)
    slot_scale = 1.0 / slots
    rows = []
    for index, shape in enumerate(live):
        length = slot_scale * slot_scale
        for amount, unit in zip(shape.size, scale, strict=True):
            length += (amount * unit) ** 2
        rows.append((index, *shape.size, length ** (-LENGTH_EXPONENT / 2)))
    taken: dict[int, int] = {}
    while rows and slots > 0:
        index = _best(rows, free, scale, slots * slot_scale * slot_scale)
        shape = live[index]
        have = taken.get(index, 0)
        fits = shape.size.how_many_in(free)
        # The chunk must not depend on what is left: only then does one bin's answer hold for all equal bins.
        count = min(fits if len(rows) == 1 else max(1, fits // CHUNK_DIVISOR), shape.left - have, slots)
        taken[index] = have + count
        free = free.minus(shape.size.times(count))
        slots -= count
        gone = index if taken[index] >= shape.left else -1
        f0, f1, f2, f3 = free
        rows = [
            row
            for row in rows
            if row[1] <= f0 and row[2] <= f1 and row[3] <= f2 and row[4] <= f3 and row[0] != gone
        ]
    return taken


def _best(
    rows: list[tuple[int, int, int, int, int, float]],
    free: Resources,
    scale: tuple[float, ...],
    slot_weight: float,
) -> int:
    """The row of highest score; the first of equals, which is the largest."""
    w0, w1, w2, w3 = (have * unit * unit for have, unit in zip(free, scale, strict=True))
    best, highest = rows[0][0], -1.0
    for index, cpu, memory, disk, gpu, factor in rows:
        score = (cpu * w0 + memory * w1 + disk * w2 + gpu * w3 + slot_weight) * factor
        if score > highest:
            best, highest = index, score
    return best
