"""Cron expressions in a time zone: whether one can be read, and when it starts before and after a moment.

Used by the reader of schedules and by the control loop that turns schedules into windows. The rules are Debian cron's, also
on the days when clocks change: a start in the hour that is left out comes right after it, one in the hour that comes twice
happens once (unless the expression names every hour). The library is loaded with the first schedule: most pools have none.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: Starts further away than this do not matter: no lead and no window is that long.
#: Longer than any that a person writes.
CRON_LENGTH = 500
REACH = timedelta(days=400)


def fault(cron: str, timezone: str) -> str | None:
    """What is wrong with it, in words; None when it can be used."""
    from cronsim import CronSim, CronSimError

    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"{timezone!r} is no time zone; write an IANA name such as Europe/Berlin or UTC"
    if len(cron) > CRON_LENGTH:
        return f"the cron expression has {len(cron)} characters; at most {CRON_LENGTH} are taken"
    try:
        starts = CronSim(cron, datetime(2024, 1, 1, tzinfo=zone))
        next(starts)
    except (CronSimError, ValueError, OverflowError) as error:
        return f"{cron!r} is no cron expression ({error}); write minute, hour, day, month and weekday, such as 0 8 * * 1-5"
    except StopIteration:
        return f"{cron!r} never comes; name a day that its month has"
    return None


@lru_cache(maxsize=4096)
def around(cron: str, timezone: str, at_minute: int) -> tuple[int | None, int | None]:
    """(last start at or before this minute since the epoch, next start after it), in milliseconds."""
    from cronsim import CronSim

    now = datetime.fromtimestamp(at_minute * 60, UTC).astimezone(ZoneInfo(timezone))
    # The library goes strictly beyond where it starts, so a start of this very minute is looked for from the next one.
    before = _first(CronSim(cron, now + timedelta(minutes=1), reverse=True), now)
    after = _first(CronSim(cron, now), now)
    return before, after


def _first(starts: Iterator[datetime], now: datetime) -> int | None:
    near = takewhile(lambda start: abs(start - now) <= REACH, starts)
    found = next(near, None)
    return None if found is None else int(found.timestamp() * 1000)
