"""Schedules: the periods in which a pool has other limits.

A `Schedule` is what people write; a `Window` is one stretch of time that follows from it. `control/` turns the one into the
other, because calendars and time zones need a library; the planner sees only windows. Knows no calendar.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """From each time that `cron` names, in the IANA time zone `timezone`, for `duration_s`; None: until the next start of a
    schedule of this pool that has none either."""

    cron: str
    timezone: str = "UTC"
    min_workers: int
    max_workers: int | None = None
    lead_time_s: float = 0.0
    """How long before each start the minimum is asked for, so that the workers are ready in time."""
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """`[start_ms, end_ms)`; an end of None is not known yet. In the lead before it only a higher minimum counts."""

    schedule: Schedule
    lead_from_ms: int
    start_ms: int
    end_ms: int | None

    def active(self, now_ms: int) -> bool:
        return self.start_ms <= now_ms and (self.end_ms is None or now_ms < self.end_ms)

    def leading(self, now_ms: int) -> bool:
        return self.lead_from_ms <= now_ms < self.start_ms
