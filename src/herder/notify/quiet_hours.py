"""When quiet hours end. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from herder.model.work.alerts import QuietHours


def quiet_until_ms(quiet: QuietHours, now_ms: int) -> int | None:
    """When the quiet hours that this moment is in end; None: it is in none.

    By the clock of the zone. When that clock is put forward or back within them, they are shorter or longer.
    """
    zone = ZoneInfo(quiet.timezone)
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)
    minute = local.hour * 60 + local.minute
    over_midnight = quiet.to_minute < quiet.from_minute
    after_begin, before_end = minute >= quiet.from_minute, minute < quiet.to_minute
    if not ((after_begin or before_end) if over_midnight else (after_begin and before_end)):
        return None
    day = local.date() + timedelta(days=1 if over_midnight and after_begin else 0)
    hour, rest = divmod(quiet.to_minute, 60)
    ends = datetime(day.year, day.month, day.day, hour, rest, tzinfo=zone)
    return max(now_ms + 1, round(ends.timestamp() * 1000))
