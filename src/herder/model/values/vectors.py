"""Arithmetic of integer vectors. The only module that is written for exactly four dimensions; all others use names.

`Vector` is a tuple of four numbers or, mixed with `Wide`, of more. A shorter vector counts as 0 in the places that it does not
have, so that what was written before a dimension was declared still means the same. Four is what every server has and what its
hot paths run on: each method first asks whether both sides are of four, and hands over to `Wide` where they are not. Used by
`resources` and `sharing`, which say what the places mean. Why so: docs/decisions/0024.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, zip_longest
from typing import Protocol, Self, TypeVar

#: What "as many as you like" is in `how_many_in`.
NO_LIMIT = 2**31

new_vector = tuple.__new__


def pairs(one: Iterable[int], other: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Place by place, 0 where one of them has none."""
    return zip_longest(one, other, fillvalue=0)


class Vector(tuple[int, ...]):
    """Of four places, as it stands here."""

    __slots__ = ()

    def plus(self, other: Self) -> Self:
        if len(other) != 4:
            return other.plus(self)
        return new_vector(
            self.__class__, (self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3])
        )

    def minus(self, other: Self) -> Self:
        if len(other) != 4:
            return other.times(-1).plus(self)
        return new_vector(
            self.__class__, (self[0] - other[0], self[1] - other[1], self[2] - other[2], self[3] - other[3])
        )

    def times(self, count: int) -> Self:
        return new_vector(
            self.__class__, (self[0] * count, self[1] * count, self[2] * count, self[3] * count)
        )

    def fits_in(self, free: "Vector") -> bool:
        # Against a longer one this asks for nothing more.
        return self[0] <= free[0] and self[1] <= free[1] and self[2] <= free[2] and self[3] <= free[3]

    def how_many_in(self, free: "Vector") -> int:
        """How many of this fit side by side into `free`; a vector of zeros fits without limit (returns NO_LIMIT)."""
        fits = NO_LIMIT
        for ask, have in zip(self, free, strict=False):  # against a longer one this asks for nothing more
            if ask > 0 and (count := have // ask) < fits:
                fits = count
        return fits if fits > 0 else 0

    def least(self, other: Self) -> Self:
        """In each place the smaller of the two."""
        if len(other) != 4:
            return other.least(self)
        return new_vector(self.__class__, map(min, self, other))

    def most(self, other: Self) -> Self:
        """In each place the larger of the two."""
        if len(other) != 4:
            return other.most(self)
        return new_vector(self.__class__, map(max, self, other))

    def beyond(self, other: Self) -> Self:
        """In each place by how much this exceeds the other; 0 where it does not."""
        return self.minus(other).not_below_zero()

    def not_below_zero(self) -> Self:
        return new_vector(self.__class__, [max(0, amount) for amount in self])

    def scaled_up(self, times: int, by: int) -> Self:
        """Each amount times one over the other, rounded up."""
        return new_vector(self.__class__, [-(-amount * times // by) for amount in self])

    def scaled_down(self, by: int) -> Self:
        """Each amount divided, rounded down."""
        return new_vector(self.__class__, [amount // by for amount in self])

    def largest_part(self, whole: "Vector", of: int) -> int:
        """The largest part that this is of the whole in any one place, in parts of `of`. What is not there has no part."""
        try:
            p, q, r, s = whole
        except ValueError:  # of what is longer this asks nothing
            p, q, r, s = whole[:4]
        return max(
            self[0] * of // p if p > 0 else 0,
            self[1] * of // q if q > 0 else 0,
            self[2] * of // r if r > 0 else 0,
            self[3] * of // s if s > 0 else 0,
        )

    def at(self, place: int) -> int:
        return self[place] if place < len(self) else 0

    def where(self, other: "Vector") -> Self:
        """0 where the other has nothing."""
        return new_vector(
            self.__class__,
            [amount if there else 0 for amount, there in islice(pairs(self, other), len(self))],
        )

    def like(self, amounts: Iterable[int]) -> Self:
        """Other amounts in the same places."""
        return new_vector(self.__class__, amounts)

    def filled(self, amount: int) -> Self:
        """The same number in all places."""
        return new_vector(self.__class__, (amount,) * len(self))


class Wide(Vector):
    """The same for more than four places. Of two lengths the longer decides what the places mean."""

    __slots__ = ()

    def plus(self, other: Self) -> Self:
        if len(other) > len(self):
            return other.plus(self)
        return new_vector(self.__class__, [a + b for a, b in pairs(self, other)])

    def minus(self, other: Self) -> Self:
        if len(other) > len(self):
            return other.times(-1).plus(self)
        return new_vector(self.__class__, [a - b for a, b in pairs(self, other)])

    def times(self, count: int) -> Self:
        return new_vector(self.__class__, [amount * count for amount in self])

    def fits_in(self, free: Vector) -> bool:
        return all(ask <= have for ask, have in pairs(self, free))

    def how_many_in(self, free: Vector) -> int:
        return max(0, min((have // ask for ask, have in pairs(self, free) if ask > 0), default=NO_LIMIT))

    def least(self, other: Self) -> Self:
        if len(other) > len(self):
            return other.least(self)
        return new_vector(self.__class__, [min(pair) for pair in pairs(self, other)])

    def most(self, other: Self) -> Self:
        if len(other) > len(self):
            return other.most(self)
        return new_vector(self.__class__, [max(pair) for pair in pairs(self, other)])


V = TypeVar("V", bound=Vector)


def total_of(vectors: Iterable[V], start: V) -> V:
    result = start
    for vector in vectors:
        result = result.plus(vector)
    return result


def least_of(vectors: Sequence[V]) -> V:
    """In each place the smallest. Of at least one."""
    result = vectors[0]
    if all(len(vector) == len(result) for vector in vectors):
        return result if len(vectors) == 1 else new_vector(result.__class__, map(min, *vectors))
    for vector in vectors:
        result = result.least(vector)
    return result


def most_of(vectors: Sequence[V]) -> V:
    """In each place the largest. Of at least one."""
    result = vectors[0]
    if all(len(vector) == len(result) for vector in vectors):
        return result if len(vectors) == 1 else new_vector(result.__class__, map(max, *vectors))
    for vector in vectors:
        result = result.most(vector)
    return result


class HasFree(Protocol):
    @property
    def free(self) -> Vector: ...


W = TypeVar("W", bound=HasFree)


def with_room(things: Iterable[W], request: Vector) -> list[W]:
    """Those that have so much free. `fits_in` written out: when a job arrives all workers are looked at."""
    if len(request) != 4:
        return [each for each in things if request.fits_in(each.free)]
    a, b, c, d = request
    return [
        each
        for each in things
        if (free := each.free)[0] >= a and free[1] >= b and free[2] >= c and free[3] >= d
    ]
