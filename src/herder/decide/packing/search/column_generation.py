"""The cheapest fractional mix of bin contents that covers a demand, by column generation.

Called by `configurations`. Floats throughout: it is a guide, and what it says is proved or packed again in whole numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_TINY = 1e-9
#: Pivots of one call of `solve`, for each row.
_PIVOTS = 30


@dataclass(frozen=True, slots=True)
class Column:
    """`entries`: (row, amount). `tag` is the caller's; None is a column of our own."""

    entries: tuple[tuple[int, float], ...]
    cost: float
    tag: int | None = None


class Master:
    """Rows below `demand` must reach their room, the others must not exceed it. Dense inverse: for at most a hundred rows."""

    def __init__(self, room: Sequence[float], demand: int, dear: float) -> None:
        height = len(room)
        self._height = height
        self._basis = [Column(((i, 1.0),), dear if i < demand else 0.0) for i in range(height)]
        self._own = [Column(((i, -1.0 if i < demand else 1.0),), 0.0) for i in range(height)]
        self._inverse = [[1.0 if i == j else 0.0 for j in range(height)] for i in range(height)]
        self._x = [float(each) for each in room]
        self.columns: list[Column] = []

    def prices(self) -> list[float]:
        """What one more of each row costs; at most zero for those that must not be exceeded."""
        prices = [0.0] * self._height
        for column, row in zip(self._basis, self._inverse, strict=True):
            if column.cost:
                for j, value in enumerate(row):
                    prices[j] += column.cost * value
        return prices

    def solve(self) -> None:
        """As far as the columns go."""
        for _ in range(_PIVOTS * self._height):
            prices = self.prices()
            best, least = None, -_TINY
            for column in (*self._own, *self.columns):
                saved = column.cost
                for row, amount in column.entries:
                    saved -= prices[row] * amount
                if saved < least:
                    best, least = column, saved
            if best is None or not self._enter(best):
                return

    def _enter(self, column: Column) -> bool:
        direction = [sum([row[at] * amount for at, amount in column.entries]) for row in self._inverse]
        pivot, least = -1, 0.0
        for i, step in enumerate(direction):
            if step > _TINY:
                ratio = self._x[i] / step
                if pivot < 0 or ratio < least - _TINY or (ratio < least + _TINY and step > direction[pivot]):
                    pivot, least = i, ratio
        if pivot < 0:
            return False
        by = direction[pivot]
        source = self._inverse[pivot] = [value / by for value in self._inverse[pivot]]
        least = max(0.0, least)
        for i, step in enumerate(direction):
            if i != pivot and abs(step) > _TINY:
                self._inverse[i] = [a - step * b for a, b in zip(self._inverse[i], source, strict=True)]
                self._x[i] = max(0.0, self._x[i] - step * least)
        self._x[pivot] = least
        self._basis[pivot] = column
        return True

    def mix(self) -> list[tuple[int, float]]:
        """(tag, how many) of the columns in use."""
        return [
            (c.tag, x) for c, x in zip(self._basis, self._x, strict=True) if c.tag is not None and x > _TINY
        ]
