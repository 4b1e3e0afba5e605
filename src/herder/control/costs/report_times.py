"""When scheduled reports are due, and of which days they are. Pure, but for the rules of time zones.

A time is that of a cron expression in a time zone. Its day may be `1W`, the first weekday (Monday to Friday) of the month, which no cron expression can say.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from herder.model.stored.report_records import ReportScheduleRecord
from herder.settings.syntax.cron import around, fault

PERIODS = ("daily", "weekly", "monthly")
#: Times of each period, where none are named.
TIMES = {"daily": "0 18 * * *", "weekly": "0 9 * * 1", "monthly": "0 9 1W * *"}
FIRST_WEEKDAY = "1W"
#: Reports that were missed and are made up, of one schedule: a month of daily ones.
CATCH_UP = 31
HOUR_MS, _MINUTE_MS = 3_600_000, 60_000
#: Starts that are looked at to see whether they are an hour apart: more than a day has.
_LOOKED_AT = 30


def wrong_times(cron: str, timezone: str, now_ms: int) -> str | None:
    """What is wrong with the times of a schedule, as a clause; None: nothing."""
    plain, first_weekday = _plain(cron)
    wrong = fault(plain, timezone)
    if wrong is not None:
        return wrong
    if first_weekday and cron.split()[4:] != ["*"]:
        return f"{cron!r} names weekdays beside {FIRST_WEEKDAY}, which is a weekday; write * as the weekday"
    minute, last = now_ms // _MINUTE_MS, None
    for _ in range(_LOOKED_AT):
        at_ms = times_around(cron, timezone, minute)[1]
        if at_ms is None:
            break
        if last is not None and at_ms - last < HOUR_MS:
            return f"{cron!r} has times that are less than an hour apart"
        last, minute = at_ms, at_ms // _MINUTE_MS
    return None


def times_around(cron: str, timezone: str, minute: int) -> tuple[int | None, int | None]:
    """(last time at or before this minute since the epoch, next time after it), in milliseconds; None: none is near."""
    plain, first_weekday = _plain(cron)
    before, after = around(plain, timezone, minute)
    if first_weekday:
        zone = ZoneInfo(timezone)
        while before is not None and not _is_first_weekday(_local(before, zone)):
            before = around(plain, timezone, before // _MINUTE_MS - 1)[0]
        while after is not None and not _is_first_weekday(_local(after, zone)):
            after = around(plain, timezone, after // _MINUTE_MS)[1]
    return before, after


def due_times(record: ReportScheduleRecord, now_ms: int) -> tuple[list[int], bool]:
    """Those that have come and are not dealt with, oldest first; and whether there are older ones, which are too many to be made up."""
    found: list[int] = []
    minute = now_ms // _MINUTE_MS
    while True:
        at_ms, _ = times_around(record.cron, record.timezone, minute)
        if at_ms is None or at_ms <= record.handled_ms:
            return found[::-1], False
        if len(found) == CATCH_UP:
            return found[::-1], True
        found.append(at_ms)
        minute = at_ms // _MINUTE_MS - 1


def span_of(period: str, day: date) -> tuple[date, date]:
    """The first and the last day of the period that was the last to end before `day`; of a daily one, `day` itself. Raises ValueError."""
    if period == "daily":
        return day, day
    if period == "weekly":
        first = day - timedelta(days=day.weekday() + 7)
        return first, first + timedelta(days=6)
    if period == "monthly":
        last = day.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    raise ValueError(f"there is no period {period!r}")


def days_of(record: ReportScheduleRecord, at_ms: int) -> tuple[date, date]:
    """Of the report of a time. Days are those of the ledger, UTC; which week or month has ended is asked in the zone of the schedule."""
    zone = ZoneInfo("UTC" if record.period == "daily" else record.timezone)
    return span_of(record.period, _local(at_ms, zone))


def report_id(record: ReportScheduleRecord, at_ms: int, *, asked: bool) -> str:
    """The same for the same time. One that somebody asked for has milliseconds, so it is never that of a time of the schedule."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{record.name}-{moment:%Y%m%dT%H%M%S}{f'{at_ms % 1000:03d}' if asked else ''}Z"


def _plain(cron: str) -> tuple[str, bool]:
    """Without `1W`, and whether it was named: the first weekday is one of the first three days."""
    fields = cron.split()
    if len(fields) == 5 and fields[2].upper() == FIRST_WEEKDAY:
        return " ".join([*fields[:2], "1-3", *fields[3:]]), True
    return cron, False


def _is_first_weekday(day: date) -> bool:
    return day.weekday() < 5 and (day.day == 1 or (day.day <= 3 and day.weekday() == 0))


def _local(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms // 1000, zone).date()
