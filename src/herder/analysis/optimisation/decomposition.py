"""Who and what explains a change of cost: by dimension, how much each group adds to it. Pure. The parts of each dimension sum to exactly the change.

The dimension that says most is the one whose few groups explain the change: a change that is spread over all groups in proportion is explained by none of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

Amounts = Mapping[str, int]
"""By group, pico-USD."""
#: Groups that are named are those that come to this part of the change.
EXPLAINS_PERCENT = 80


class Part(NamedTuple):
    group: str
    usual_pico: int
    actual_pico: int

    @property
    def change_pico(self) -> int:
        return self.actual_pico - self.usual_pico


class Explanation(NamedTuple):
    dimension: str
    change_pico: int
    parts: tuple[Part, ...]
    """All groups, those that explain most first; their changes sum to `change_pico`."""
    named: int
    """So many of the first explain at least 80 % of the change."""
    surprise_pico: int
    """How far the groups are from what they would be had all changed alike. 0: they did, and the dimension explains nothing."""


def explain(dimension: str, usual: Amounts, actual: Amounts) -> Explanation:
    groups = sorted(usual.keys() | actual.keys())
    parts = [Part(each, usual.get(each, 0), actual.get(each, 0)) for each in groups]
    change = sum(each.change_pico for each in parts)
    sign = -1 if change < 0 else 1
    ordered = sorted(parts, key=lambda each: (-sign * each.change_pico, each.group))
    named, so_far = 0, 0
    for part in ordered:
        if change == 0 or so_far * 100 >= abs(change) * EXPLAINS_PERCENT:
            break
        named, so_far = named + 1, so_far + sign * part.change_pico
    return Explanation(dimension, change, tuple(ordered), named, _surprise(parts))


def explanations(by_dimension: Mapping[str, tuple[Amounts, Amounts]]) -> list[Explanation]:
    """Of the same change by each dimension, that which says most first. Raises ValueError when the dimensions do not sum to the same change."""
    found = [explain(name, usual, actual) for name, (usual, actual) in by_dimension.items()]
    changes = {each.change_pico for each in found}
    if len(changes) > 1:
        raise ValueError(
            "the groups of two dimensions do not sum to the same change; give each line to one group of each"
        )
    return sorted(found, key=lambda each: (-each.surprise_pico, each.named, each.dimension))


def _surprise(parts: list[Part]) -> int:
    usual, actual = sum(each.usual_pico for each in parts), sum(each.actual_pico for each in parts)
    if usual <= 0:
        return sum(abs(each.change_pico) for each in parts) // 2 if len(parts) > 1 else 0
    return sum(abs(each.actual_pico - each.usual_pico * actual // usual) for each in parts) // 2
