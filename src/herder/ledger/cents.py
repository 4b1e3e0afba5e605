"""Amounts as people pay them: whole cents, which sum to the total beside them. Pure.

A total is rounded once, half-even. The cents of its parts are shared out by largest remainder, so that a column of a bill adds up; what the rounding of the
total adds or takes is an amount of its own, at most half a cent.
"""

from collections.abc import Sequence
from typing import NamedTuple

PICO_PER_CENT = 10**10


class Shown(NamedTuple):
    parts: list[int]
    """Cents, in the order of the amounts; where the total is the sum rounded, each less than a cent from its exact amount."""
    total: int
    """Cents: the sum of the parts."""
    rounding_pico: int
    """Total less the exact sum: at most half a cent either way."""


def shown(amounts: Sequence[int], total: int | None = None) -> Shown:
    """`amounts` in pico-USD. `total`: cents to be shared out, where the sum is not to be rounded as one; there is at least one amount unless it is 0."""
    exact = sum(amounts)
    total = cents(exact) if total is None else total
    parts = [amount // PICO_PER_CENT for amount in amounts]
    order = sorted(range(len(amounts)), key=lambda place: (-(amounts[place] % PICO_PER_CENT), place))
    left = total - sum(parts)
    each, more = divmod(left, len(parts)) if parts else (0, 0)
    parts = [part + each for part in parts]
    for place in order[:more]:
        parts[place] += 1
    return Shown(parts, total, total * PICO_PER_CENT - exact)


def cents(pico: int) -> int:
    """Rounded half-even."""
    whole, rest = divmod(pico, PICO_PER_CENT)
    return whole + (2 * rest > PICO_PER_CENT or (2 * rest == PICO_PER_CENT and whole % 2 == 1))


def dollars(amount_cents: int) -> str:
    """`1,234.50`, `-0.05`: with a thousands separator and without a sign of currency."""
    whole, part = divmod(abs(amount_cents), 100)
    return f"{'-' if amount_cents < 0 else ''}{whole:,}.{part:02d}"
