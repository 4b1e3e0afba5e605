"""The innermost loops of packing, over many vectors at once: unrolled for four dimensions, and generic for other numbers.

Used by `shapes`, `fill_bin`, `decide/packing/search/exact_fill`, `knapsack` and `prices`; a `ShapeTable` says which of the two its shapes need. Both give the
same answer to the same question (tests/packing/test_kernels.py): nothing here decides, and nothing else in packing may write the
dimensions out.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from herder.model.values.resources import Resources

#: One (a lane's number, its size, a factor), flat or not: only the kernel that made it looks into it.
Row = tuple[Any, ...]

_DIRECTIONS = 3
WHOLE = 4096
_RATIOS = [min(_DIRECTIONS, max(ratio, 1).bit_length() - 1) for ratio in range(WHOLE + 1)]


class Kernel(Protocol):
    """Vectors are all of the same number of places."""

    @staticmethod
    def row(index: int, size: Resources, factor: float) -> Row: ...

    @staticmethod
    def best(rows: Sequence[Row], weights: Sequence[float], more: float) -> int:
        """The number of the row of highest score, (size · weights + more) * factor; the first of equals."""

    @staticmethod
    def still_fitting(
        rows: Sequence[Row], free: Resources, gone: int, following: Callable[[int], Row | None]
    ) -> list[Row]:
        """The rows that fit, but for `gone`; in place of each other one what follows it, if anything does."""

    @staticmethod
    def reach(free: Resources, scale: Sequence[float], ratios: Sequence[float]) -> float:
        """No shape of a lane that fits into `free` is longer. `ratios`: least part of its length that a shape has of each."""

    @staticmethod
    def directions(sizes: Sequence[Resources], most: Sequence[int]) -> list[tuple[int, int]]:
        """Of each: its length in parts of the largest, and the direction in which it points, as one number."""


class Four:
    @staticmethod
    def row(index: int, size: Resources, factor: float) -> Row:
        return (index, *size, factor)

    @staticmethod
    def best(rows: Sequence[Row], weights: Sequence[float], more: float) -> int:
        w0, w1, w2, w3 = weights
        best, highest = rows[0][0], -1.0
        for index, a, b, c, d, factor in rows:
            score = (a * w0 + b * w1 + c * w2 + d * w3 + more) * factor
            if score > highest:
                best, highest = index, score
        return int(best)

    @staticmethod
    def still_fitting(
        rows: Sequence[Row], free: Resources, gone: int, following: Callable[[int], Row | None]
    ) -> list[Row]:
        a, b, c, d = free
        kept = []
        for row in rows:
            if row[1] <= a and row[2] <= b and row[3] <= c and row[4] <= d and row[0] != gone:
                kept.append(row)
            elif (other := following(row[0])) is not None:
                kept.append(other)
        return kept

    @staticmethod
    def reach(free: Resources, scale: Sequence[float], ratios: Sequence[float]) -> float:
        # Placement runs through here for nearly every lane at every pick: no loops.
        a, b, c, d = free[0] * scale[0], free[1] * scale[1], free[2] * scale[2], free[3] * scale[3]
        p, q, r, s = ratios
        most = a + b + c + d + 4
        if p * most > a + 1:
            most = (a + 1) / p
        if q * most > b + 1:
            most = (b + 1) / q
        if r * most > c + 1:
            most = (c + 1) / r
        if s * most > d + 1:
            most = (d + 1) / s
        return most

    @staticmethod
    def directions(sizes: Sequence[Resources], most: Sequence[int]) -> list[tuple[int, int]]:
        m0, m1, m2, m3 = most
        found = []
        for a, b, c, d in sizes:
            e, f = a * WHOLE // m0, b * WHOLE // m1
            g = c * WHOLE // m2 if c else 0
            h = d * WHOLE // m3 if d else 0
            top = max(e, f, g, h)
            direction = (
                _RATIOS[top // (e + 1)]
                + 4 * _RATIOS[top // (f + 1)]
                + 16 * _RATIOS[top // (g + 1)]
                + 64 * _RATIOS[top // (h + 1)]
            )
            found.append((e + f + g + h, direction))
        return found


class Many:
    @staticmethod
    def row(index: int, size: Resources, factor: float) -> Row:
        return (index, size, factor)

    @staticmethod
    def best(rows: Sequence[Row], weights: Sequence[float], more: float) -> int:
        best, highest = rows[0][0], -1.0
        for index, size, factor in rows:
            score = (
                sum(amount * weight for amount, weight in zip(size, weights, strict=True)) + more
            ) * factor
            if score > highest:
                best, highest = index, score
        return int(best)

    @staticmethod
    def still_fitting(
        rows: Sequence[Row], free: Resources, gone: int, following: Callable[[int], Row | None]
    ) -> list[Row]:
        kept = []
        for row in rows:
            if row[0] != gone and row[1].fits_in(free):
                kept.append(row)
            elif (other := following(row[0])) is not None:
                kept.append(other)
        return kept

    @staticmethod
    def reach(free: Resources, scale: Sequence[float], ratios: Sequence[float]) -> float:
        parts = [have * unit for have, unit in zip(free, scale, strict=True)]
        most = sum(parts) + len(parts)
        for part, ratio in zip(parts, ratios, strict=True):
            if ratio * most > part + 1:
                most = (part + 1) / ratio
        return most

    @staticmethod
    def directions(sizes: Sequence[Resources], most: Sequence[int]) -> list[tuple[int, int]]:
        found = []
        for size in sizes:
            parts = [amount * WHOLE // whole for amount, whole in zip(size, most, strict=True)]
            top, direction = max(parts), 0
            for place, part in enumerate(parts):
                direction += _RATIOS[top // (part + 1)] << 2 * place
            found.append((sum(parts), direction))
        return found


def kernel_for(places: int) -> type[Kernel]:
    return Four if places == 4 else Many


# --- of single vectors, where a search looks at millions --------------------------------------------------------------


def fits(size: Sequence[int], free: Sequence[int]) -> bool:
    if len(size) == 4:
        return size[0] <= free[0] and size[1] <= free[1] and size[2] <= free[2] and size[3] <= free[3]
    return all(ask <= have for ask, have in zip(size, free, strict=True))


def less(free: Sequence[int], size: Sequence[int]) -> tuple[int, ...]:
    if len(size) == 4:
        return free[0] - size[0], free[1] - size[1], free[2] - size[2], free[3] - size[3]
    return tuple([have - ask for have, ask in zip(free, size, strict=True)])


def less_several(free: tuple[int, ...], size: tuple[int, ...], count: int) -> tuple[int, ...]:
    """With slots as one place more."""
    if len(size) == 5:
        (a, b, c, d, e), (p, q, r, s, t) = free, size
        return a - p * count, b - q * count, c - r * count, d - s * count, e - t * count
    return tuple([have - ask * count for have, ask in zip(free, size, strict=True)])


def worth_of(prices: Sequence[float], size: Sequence[int]) -> float:
    """At prices of a unit of each, the last of which is that of a slot."""
    if len(size) == 4:
        a, b, c, d = size
        return prices[0] * a + prices[1] * b + prices[2] * c + prices[3] * d + prices[4]
    return sum(price * amount for price, amount in zip(prices, (*size, 1), strict=True))
