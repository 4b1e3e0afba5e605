"""The windows of schedules that are relevant now. Called for each observation.

Calendars are a library's job (`settings/syntax/cron`); the planner sees only times. Two windows of each schedule matter at most: the
one that began last and the one that begins next.
"""

from herder.decide.scaling.snapshot import in_force
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.schedule import Schedule, Window
from herder.settings.syntax.cron import around

_MINUTE_MS = 60_000


def windows(pool: PoolSpec, now_ms: int) -> tuple[Window, ...]:
    if not pool.size.schedules:
        return ()
    at_minute = now_ms // _MINUTE_MS
    times = [(each, *around(each.cron, each.timezone, at_minute)) for each in pool.size.schedules]
    open_starts = [
        start for each, *pair in times if each.duration_s is None for start in pair if start is not None
    ]
    found = [
        _window(schedule, start, open_starts)
        for schedule, *pair in times
        for start in pair
        if start is not None
    ]
    return tuple(window for window in found if window.end_ms is None or window.end_ms > now_ms)


def pool_in_force(pool: PoolSpec, now_ms: int) -> PoolSpec:
    """With the limits that its schedules set now."""
    return in_force(pool, windows(pool, now_ms), now_ms)[0]


def _window(schedule: Schedule, start_ms: int, open_starts: list[int]) -> Window:
    if schedule.duration_s is None:
        end = min((start for start in open_starts if start > start_ms), default=None)
    else:
        end = start_ms + int(schedule.duration_s * 1000)
    return Window(
        schedule=schedule,
        lead_from_ms=start_ms - int(schedule.lead_time_s * 1000),
        start_ms=start_ms,
        end_ms=end,
    )
