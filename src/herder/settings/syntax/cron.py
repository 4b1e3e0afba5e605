"""Cron expressions in a time zone: whether one can be read, and when it starts before and after a moment.

Used by the reader of schedules and by the control loop that turns schedules into windows. The rules are Debian cron's, also
on the days when clocks change: a start in the hour that is left out comes right after it, one in the hour that comes twice
happens once (unless the expression names every hour). The library is loaded with the first schedule: most pools have none.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from cronsim import CronSim

#: Starts further away than this do not matter: no lead and no window is that long.
#: Longer than any that a person writes.
CRON_LENGTH = 500
REACH = timedelta(days=400)
_MINUTE = timedelta(minutes=1)


def fault(cron: str, timezone: str) -> str | None:
    """What is wrong with it, in words; None when it can be used."""
    from cronsim import CronSim, CronSimError

    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"{timezone!r} is not a time zone; write an IANA name such as Europe/Berlin or UTC"
    if len(cron) > CRON_LENGTH:
        return f"the cron expression has {len(cron)} characters; write at most {CRON_LENGTH}"
    try:
        starts = CronSim(cron, datetime(2024, 1, 1, tzinfo=zone))
        next(starts)
    except (CronSimError, ValueError, OverflowError) as error:
        return f"{cron!r} is not a cron expression ({error}); write minute, hour, day, month and weekday, such as 0 8 * * 1-5"
    except StopIteration:
        return f"{cron!r} never occurs; name a day that exists in its month"
    return None


@lru_cache(maxsize=4096)
def around(cron: str, timezone: str, at_minute: int) -> tuple[int | None, int | None]:
    """(last start at or before this minute since the epoch, next start after it), in milliseconds."""
    starts, now_s = _Starts(_read(cron), ZoneInfo(timezone)), at_minute * 60
    before, after = starts.last(now_s), starts.next(now_s)
    return None if before is None else before * 1000, None if after is None else after * 1000


@lru_cache(maxsize=4096)
def _read(cron: str) -> "CronSim":
    from cronsim import CronSim

    return CronSim(cron, datetime(2024, 1, 1, tzinfo=UTC))


class _Starts:
    """The starts of one expression in one zone, day by day. The library reads the expression and knows which days it means; when
    clocks change it is not right for every form and zone (half an hour in Lord Howe, midnight, steps of minutes), so the times
    of a day are found here."""

    def __init__(self, cron: "CronSim", zone: ZoneInfo) -> None:
        self._cron, self._zone = cron, zone
        self._seconds = sorted(cron.seconds)
        self._fixed = (
            self._seconds == [0] and not cron.parts[1].startswith("*") and not cron.parts[2].startswith("*")
        )

    def last(self, now_s: int) -> int | None:
        """At or before now."""
        today = self._local(now_s).date()
        for back in range(-1, REACH.days):
            day = today - timedelta(days=back)
            if self._means(day):
                found = next((at_s for at_s in self._of_day(day, now_s, later=False) if at_s <= now_s), None)
                if found is not None:
                    return found
        return None

    def next(self, now_s: int) -> int | None:
        """After now."""
        today = self._local(now_s).date()
        for ahead in range(-1, REACH.days):
            day = today + timedelta(days=ahead)
            if self._means(day):
                found = next((at_s for at_s in self._of_day(day, now_s, later=True) if at_s > now_s), None)
                if found is not None:
                    return found
        return None

    def _means(self, day: date) -> bool:
        return day.month in self._cron.months and self._cron.match_day(day)

    def _of_day(self, day: date, now_s: int, *, later: bool) -> Iterable[int]:
        """The nearest first, beginning about now."""
        if not self._fixed:
            return self._by_real_time(day, now_s, later=later)
        walls = [
            datetime.combine(day, time(hour, minute))
            for hour in self._cron.hours
            for minute in self._cron.minutes
        ]
        return sorted({self._once(wall) for wall in walls}, reverse=not later)

    def _once(self, wall: datetime) -> int:
        """When a clock on the wall shows this first, or where it leaps over it, when it has leapt."""
        while True:
            at_s = int(wall.replace(tzinfo=self._zone).timestamp())
            if self._local(at_s).replace(tzinfo=None, fold=0) == wall:
                return at_s
            wall += _MINUTE

    def _by_real_time(self, day: date, now_s: int, *, later: bool) -> Iterator[int]:
        """Each minute that passes is looked at, for what the clock shows in it: an hour that comes twice counts twice."""
        first_s = self._once(datetime.combine(day, time()))
        end_s = self._once(datetime.combine(day + timedelta(days=1), time()))
        seconds = self._seconds if later else self._seconds[::-1]
        at_s = max(first_s, now_s) if later else min(end_s - 60, now_s)
        while first_s <= at_s < end_s:
            local = self._local(at_s)
            if local.hour not in self._cron.hours:
                # No clock of today leaps but at a quarter of an hour.
                at_s += (15 - local.minute % 15) * 60 if later else -(local.minute % 15 + 1) * 60
                continue
            if local.minute in self._cron.minutes:
                yield from (at_s + second for second in seconds)
            at_s += 60 if later else -60

    def _local(self, at_s: int) -> datetime:
        return datetime.fromtimestamp(at_s, self._zone)
