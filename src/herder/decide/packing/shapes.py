"""The shape table: groups of items with equal requests, merged, with the number that is left of each.

Made by `pack` for one call and thrown away after it. A shape is a (size, allowed kinds) pair; 5,000 items of 30 shapes
cost as much as 30 items. This module never decides where anything goes.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from herder.decide.packing.groups import ItemGroup, Packed
from herder.decide.packing.kernels import WHOLE, Kernel, kernel_for
from herder.model.values.resources import ZERO, Resources
from herder.model.values.vectors import least_of, most_of

#: Most shapes that compete one by one in one alignment choice. It bounds the cost of a pick when nearly every item is
#: different; beyond it similar shapes share a lane, of which only the largest that fits competes. 48 covers common fleets.
WINDOW = 48

_LENGTHS = 4
_SQUARE_BITS = 28


@dataclass(slots=True)
class Shape:
    size: Resources
    allowed: frozenset[int] | None
    left: int
    members: list[tuple[int, int]]
    """(item key, count), by key: who gets the places, in this order."""
    runs: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(bin key, first copy, copies, items in each)."""


class Lane(list[Shape]):
    """Shapes of one direction (to about a factor of two in each dimension's share of the largest) and length, the long first."""

    __slots__ = ("_lengths", "ratios", "scale")

    def __init__(self, rows: Iterable[tuple[int, Shape]], scale: tuple[float, ...] = ()) -> None:
        """`rows`: each with its length, in order; `scale` turns amounts into parts of the largest, of several shapes."""
        listed = list(rows)
        super().__init__(shape for _, shape in listed)
        self._lengths = [-length for length, _ in listed]
        self.scale = scale
        self.ratios = [
            min((int(shape.size[d] * unit) / max(1, length) for length, shape in listed), default=0.0)
            for d, unit in enumerate(scale if len(listed) > 1 else ())
        ] or [0.0] * len(scale)
        """Of each dimension, the least part of its length that a shape here has."""

    def first(self, reach: float) -> int:
        """The place before which all are longer than that."""
        return bisect_left(self._lengths, -reach)

    def forget_what_is_gone(self) -> None:
        kept = [(-length, shape) for length, shape in zip(self._lengths, self, strict=True) if shape.left > 0]
        self._lengths = [-length for length, _ in kept]
        self[:] = [shape for _, shape in kept]


class ShapeTable:
    """Shapes in an order that does not depend on the order of the groups."""

    def __init__(self, items: Iterable[ItemGroup]) -> None:
        self.shapes = _merge(items)
        self._windows: dict[int, list[list[Lane]]] = {}
        self._lanes: dict[frozenset[frozenset[int] | None], list[Lane]] = {}
        self.kernel = kernel_for(len(self.shapes[0].size) if self.shapes else len(ZERO))
        self.least = least_of([shape.size for shape in self.shapes]) if self.shapes else ZERO

    @classmethod
    def part(cls, shapes: Sequence[Shape]) -> "ShapeTable":
        """Some shapes of another table, themselves, in the order that all tables have."""
        self = cls(())
        self.shapes = sorted(shapes, key=_order, reverse=True)
        if self.shapes:
            self.kernel = kernel_for(len(self.shapes[0].size))
            self.least = least_of([shape.size for shape in self.shapes])
        return self

    def windows(self, kind: int) -> list[list[Lane]]:
        """The shapes that bins of this kind may hold. Those with the fewest other places to go come first, so that an
        item that may go anywhere does not take the only place of one that may not; then the large before the small."""
        cached = self._windows.get(kind)
        if cached is None:
            cached = self._windows[kind] = self._make_windows(kind)
        return cached

    def forget_what_is_gone(self) -> None:
        """Shared lanes without the shapes of which nothing is left."""
        for lanes in self._lanes.values():
            for lane in lanes:
                lane.forget_what_is_gone()
            lanes[:] = [lane for lane in lanes if lane]

    def renew(self) -> None:
        """What is left has changed: lanes are made again, of the shapes of which something is left."""
        self._windows = {}
        self._lanes = {}

    def _make_windows(self, kind: int) -> list[list[Lane]]:
        tiers: dict[float, list[Shape]] = {}
        for shape in self.shapes:
            if shape.left <= 0:
                continue
            if shape.allowed is None:
                tiers.setdefault(float("inf"), []).append(shape)
            elif kind in shape.allowed:
                tiers.setdefault(len(shape.allowed), []).append(shape)
        return [
            [Lane([(0, shape)]) for shape in tier] if len(tier) <= WINDOW else self._shared_lanes(tier)
            for _, tier in sorted(tiers.items())
        ]

    def _shared_lanes(self, tier: list[Shape]) -> list[Lane]:
        """Kinds that may hold the same shapes share their lanes."""
        key = frozenset(shape.allowed for shape in tier)
        lanes = self._lanes.get(key)
        if lanes is None:
            lanes = self._lanes[key] = _lanes(tier, self.kernel)
        return lanes

    def placed(self) -> list[Packed]:
        return [packed for shape in self.shapes for packed in _share_out(shape.members, shape.runs)]

    def unplaced(self) -> list[tuple[int, int]]:
        """What is left of each shape falls on its last members."""
        result = []
        for shape in self.shapes:
            left = shape.left
            for key, count in reversed(shape.members):
                if left <= 0:
                    break
                result.append((key, min(left, count)))
                left -= count
        return sorted(result)


def _merge(items: Iterable[ItemGroup]) -> list[Shape]:
    found: dict[tuple[Resources, frozenset[int] | None], Shape] = {}
    for item in items:
        if item.count <= 0:
            continue
        shape = found.get((item.size, item.allowed))
        if shape is None:
            found[item.size, item.allowed] = Shape(
                item.size, item.allowed, item.count, [(item.key, item.count)]
            )
        else:
            shape.left += item.count
            shape.members.append((item.key, item.count))
    shapes = list(found.values())
    for shape in shapes:
        if len(shape.members) > 1:
            shape.members.sort()
    if len(shapes) > 1:
        shapes.sort(key=_order, reverse=True)
    return shapes


def _lanes(tier: Sequence[Shape], kernel: type[Kernel]) -> list[Lane]:
    """At most about a hundred when two resources are asked for; in each the large before the small."""
    sizes = [shape.size for shape in tier]
    most = [amount or 1 for amount in most_of(sizes)]
    levels = 4 ** len(most)
    found: dict[int, list[tuple[int, int, Shape]]] = {}
    for place, (length, direction) in enumerate(kernel.directions(sizes, most)):
        # Of squares, so that lengths in one lane differ by a factor of the root of two. The longest come first.
        level = max(_SQUARE_BITS - (length * length).bit_length(), 0)
        found.setdefault(levels * min(level, _LENGTHS) + direction, []).append((-length, place, tier[place]))
    for lane in found.values():
        lane.sort()
    scale = tuple(WHOLE / amount for amount in most)
    return [Lane([(-length, shape) for length, _, shape in found[key]], scale) for key in sorted(found)]


def _order(shape: Shape) -> tuple[Resources, tuple[int, ...]]:
    return shape.size, (-1,) if shape.allowed is None else tuple(sorted(shape.allowed))


def _share_out(
    members: Sequence[tuple[int, int]], runs: Iterable[tuple[int, int, int, int]]
) -> Iterator[Packed]:
    """Give the places of a shape to its members, the first member first."""
    turn = iter(members)
    key, have = next(turn)
    for bin_key, begin, copies, each in runs:
        first, end, wanted = begin, begin + copies, each
        while first < end:
            if have == 0:
                key, have = next(turn)
            whole = min(have // each, end - first) if wanted == each else 0
            if whole:
                yield Packed(item_key=key, bin_key=bin_key, count=each, first_copy=first, copies=whole)
                first, have = first + whole, have - whole * each
                continue
            part = min(have, wanted)
            yield Packed(item_key=key, bin_key=bin_key, count=part, first_copy=first)
            have, wanted = have - part, wanted - part
            if wanted == 0:
                first, wanted = first + 1, each
