"""Months and days of the ledger, both in UTC as those of providers' bills. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from herder.ledger.quantities import DAY_MS

#: Of which the ledger has months.
YEARS = range(1970, 9000)


@lru_cache(maxsize=4096)
def month_of(at_ms: int) -> str:
    """`2026-11`."""
    return date_text(at_ms)[:7]


def begin_of(month: str) -> int:
    """Raises ValueError for what is not a month such as 2026-11."""
    year, dash, number = month.partition("-")
    figures = year + number
    if not (dash and len(year) == 4 and len(number) == 2 and figures.isascii() and figures.isdigit()):
        raise ValueError(f"{month[:50]!r} is not a month; write for example 2026-11")
    if not (YEARS.start <= int(year) <= YEARS.stop and 1 <= int(number) <= 12):
        raise ValueError(
            f"{month!r} is not a month of the years {YEARS[0]} to {YEARS[-1]}; write for example 2026-11"
        )
    return int(datetime(int(year), int(number), 1, tzinfo=UTC).timestamp()) * 1000


@lru_cache(maxsize=4096)
def following(month: str) -> str:
    begin = datetime.fromtimestamp(begin_of(month) // 1000, UTC)
    return f"{begin.year + begin.month // 12:04}-{begin.month % 12 + 1:02}"


@lru_cache(maxsize=4096)
def preceding(month: str) -> str:
    return month_of(begin_of(month) - DAY_MS)


def end_of(month: str) -> int:
    return begin_of(following(month))


def same_before(from_ms: int, to_ms: int) -> int:
    """The beginning of as many whole months before `from_ms` as `[from_ms, to_ms)` has; no earlier than the ledger's first month."""
    month, earlier = month_of(from_ms), month_of(from_ms)
    while begin_of(month) < to_ms and begin_of(earlier) > 0:
        month, earlier = following(month), preceding(earlier)
    return begin_of(earlier)


def day_of(at_ms: int) -> int:
    """The beginning of its day."""
    return at_ms - at_ms % DAY_MS


def date_text(day_ms: int) -> str:
    """`2026-11-28`."""
    return f"{datetime.fromtimestamp(day_ms // 1000, UTC).date()}"  # the year has four digits, as `strftime` has not everywhere


def booked_in(day_ms: int, came: int, closed: Mapping[str, int]) -> str:
    """The month in which use counts for a day: that of the day, or the first later one that was not closed when it came. Before the first close all months are open, and after it none of those before it is.

    `came`: its number in the log of use, or when a report arrived; `closed`: by month, the last one that it counts.
    """
    month = month_of(day_ms)
    if closed and month < (first := min(closed)) and closed[first] < came:
        month = first
    while closed.get(month, came) < came:
        month = following(month)
    return month


def after_closes(now_ms: int, closed: Mapping[str, int]) -> int:
    """The time of what arrives now: later than every close, also within its millisecond and when the clock was set back."""
    return max(now_ms, *(at_ms + 1 for at_ms in closed.values()), 0)
