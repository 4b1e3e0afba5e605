"""Where periods of budgets begin and end: calendar periods in a time zone, and the parts of a rolling window. Pure."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from herder.ledger.budgets.spec import Every, Period

#: The end of what never ends.
FOREVER_MS = 2**62
#: A rolling window is kept in so many parts; one counts until all of it has left the window.
PARTS = 24
_HOUR_MS = 3_600_000


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def bounds(period: Period, timezone: str, now_ms: int) -> tuple[int, int]:
    """(begin, end) in milliseconds of the period, or the part of a rolling window, in which `now_ms` is."""
    if period.every is Every.ONCE:
        return 0, FOREVER_MS
    if period.every is Every.ROLLING:
        part = period.hours * _HOUR_MS // PARTS
        start = now_ms // part * part
        return start, start + part
    zone = _zone(timezone)
    first = _first(period.every, datetime.fromtimestamp(now_ms / 1000, zone).date())
    return _midnight(first, zone), _midnight(_next(period.every, first), zone)


def window_ms(period: Period) -> int:
    """How long something counts after the end of its part; 0: of calendar periods."""
    return period.hours * _HOUR_MS if period.every is Every.ROLLING else 0


def midnight_after(timezone: str, now_ms: int) -> int:
    """The next one, in milliseconds."""
    zone = _zone(timezone)
    return _midnight(datetime.fromtimestamp(now_ms / 1000, zone).date() + timedelta(days=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Where a day has no midnight, the moment at which the clocks change."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def _first(every: Every, day: date) -> date:
    match every:
        case Every.DAY:
            return day
        case Every.WEEK:
            return day - timedelta(days=day.weekday())
        case Every.MONTH:
            return day.replace(day=1)
        case _:
            return day.replace(month=1, day=1)


def _next(every: Every, first: date) -> date:
    match every:
        case Every.DAY:
            return first + timedelta(days=1)
        case Every.WEEK:
            return first + timedelta(days=7)
        case Every.MONTH:
            return (first + timedelta(days=31)).replace(day=1)
        case _:
            return first.replace(year=first.year + 1)
