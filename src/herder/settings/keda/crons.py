"""Schedules of a pool as pairs of cron expressions, from one and until the other, as KEDA has them. Pure; called by `scaled_objects`.

KEDA takes a window for open while the next end comes before the next start. So a window must end before it begins again, and its end must be on the days of its start, or
on each day after them.
"""

import re
from collections.abc import Sequence

from herder.model.fleet.schedule import Schedule

_DAY_MINUTES = 24 * 60
_EACH_DAY = ("*", "*", "*")
_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = r"(\*|[0-9]+(-[0-9]+)?)(/[0-9]+)?"
#: Numbers, ranges, lists and steps: what both sides read alike.
_FIELD = re.compile(rf"{_PART}(,{_PART})*")

Window = tuple[str, str]
"""Cron expressions of its start and of its end."""


def windows(schedules: Sequence[Schedule]) -> list[Window | None]:
    """One for each schedule; None where KEDA cannot say it."""
    return [_window(each, schedules) for each in schedules]


def _window(schedule: Schedule, all_of_pool: Sequence[Schedule]) -> Window | None:
    fields = portable(schedule.cron)
    at = None if fields is None else _time_of_day(fields)
    if fields is None or at is None or schedule.lead_time_s % 60:
        return None
    lead = int(schedule.lead_time_s // 60)
    if schedule.duration_s is None:
        following = _next_of(schedule, at, all_of_pool)
        lasts, end = (
            (0, None) if following is None else ((following - at) % _DAY_MINUTES, _moved(fields, following))
        )
    else:
        lasts = int(schedule.duration_s // 60)
        end = None if schedule.duration_s % 60 else _moved(fields, at + lasts)
    start = _moved(fields, at - lead)
    if start is None or end is None or lead + lasts >= _DAY_MINUTES:
        return None
    return start, end


def _next_of(schedule: Schedule, at: int, all_of_pool: Sequence[Schedule]) -> int | None:
    """Without a duration it lasts until the next one that has none either: the time of day at which that begins. On some days only, the last one of a day lasts until the
    first one of the next of these days. None where they are on other days, or there is no other."""
    later = []
    for each in all_of_pool:
        if each.duration_s is not None or each == schedule:
            continue
        fields = portable(each.cron)
        other = None if fields is None else _time_of_day(fields)
        same = (each.timezone, each.cron.split()[2:]) == (schedule.timezone, schedule.cron.split()[2:])
        if other is None or other == at or not same:
            return None
        later.append(other)
    return min(later, key=lambda other: (other - at) % _DAY_MINUTES, default=None)


def portable(cron: str) -> tuple[str, ...] | None:
    """Its five fields, with weekdays as numbers from 0; None where KEDA has no such expression."""
    fields = cron.lower().split()
    if len(fields) != 5:
        return None
    for number, name in enumerate(_NAMES):
        fields[4] = re.sub(rf"\b{name}\b", str(number), fields[4])
    if not all(_FIELD.fullmatch(each) for each in fields):
        return None
    if "7" in re.findall("[0-9]+", fields[4]):
        days = _weekdays(fields[4])
        if days is None:
            return None
        fields[4] = _listed(days)
    return tuple(fields)


def _time_of_day(fields: tuple[str, ...]) -> int | None:
    """In minutes; None for several a day."""
    minute, hour = fields[:2]
    return int(hour) * 60 + int(minute) if minute.isdigit() and hour.isdigit() else None


def _moved(fields: tuple[str, ...], minutes: int) -> str | None:
    """At `minutes` after midnight of its days: below 0 or from 1,440 on that is another day, which only weekdays can say."""
    days, left = divmod(minutes, _DAY_MINUTES)
    day, month, weekday = fields[2:]
    if days and fields[2:] != _EACH_DAY:
        known = _weekdays(weekday)
        if (day, month) != ("*", "*") or known is None:
            return None
        weekday = _listed({(each + days) % 7 for each in known})
    return f"{left % 60} {left // 60} {day} {month} {weekday}"


def _weekdays(field: str) -> set[int] | None:
    """None for steps."""
    found: set[int] = set()
    for part in field.split(","):
        first, _, last = part.partition("-")
        if not (first.isdigit() and (last.isdigit() or not last)):
            return None
        found |= {day % 7 for day in range(int(first), int(last or first) + 1)}
    return found or None


def _listed(days: set[int]) -> str:
    return ",".join(str(day) for day in sorted(days))
