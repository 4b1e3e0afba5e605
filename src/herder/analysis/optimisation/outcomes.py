"""What was saved: the cost of a unit of work before and after. Pure. Amounts in pico-USD.

Compared by unit of work, because a month with half of the jobs saves nothing.
"""

from typing import NamedTuple

MONTH_DAYS = 30


class Period(NamedTuple):
    days: int
    pico: int
    units: int
    """Attempts of jobs, or what else the cost is of."""


def saved(before: Period, after: Period) -> int | None:
    """In the days after: what its work would have cost as before, less what it cost. None: there was no work in one of them, and it is unknown."""
    if before.units <= 0 or after.units <= 0 or after.days <= 0:
        return None
    return before.pico * after.units // before.units - after.pico


def monthly(pico: int, days: int) -> int:
    return pico * MONTH_DAYS // days
