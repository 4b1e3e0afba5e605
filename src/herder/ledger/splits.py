"""Splits an amount among shares so that they sum to exactly the whole: largest remainder, ties by the order of the ids. Pure."""

from collections.abc import Mapping
from typing import TypeVar

_Id = TypeVar("_Id", str, int, tuple[str, str, str])


def split(whole: int, weights: Mapping[_Id, int]) -> dict[_Id, int]:
    """`whole` may be negative (a correction). A weight of 0 gets 0. Empty: there is nobody to split among, and the whole stays unallocated.
    Raises ValueError for a negative weight.

    Each share gets the part of its weight, rounded down; the units that are left go to the largest remainders (Hamilton's method), so that no
    share is more than one unit from its exact part and the order of the weights does not matter.
    """
    if any(weight < 0 for weight in weights.values()):
        raise ValueError("a weight is negative; a weight is 0 or more")
    total = sum(weights.values())
    if total == 0:
        return {}
    sign, amount = (-1 if whole < 0 else 1), abs(whole)
    parts = {key: divmod(amount * weight, total) for key, weight in weights.items()}
    left = amount - sum(part for part, _ in parts.values())
    order = sorted(parts, key=lambda key: (-parts[key][1], key))
    more = set(order[:left])
    return {key: sign * (part + (key in more)) for key, (part, _) in parts.items()}
