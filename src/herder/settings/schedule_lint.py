"""Doubts about the schedules of a pool: what cron takes otherwise than it looks. Called by `lint`."""

from collections.abc import Iterator

from herder.model.fleet.pool import PoolSpec
from herder.settings.doubts import Doubt, note, warning


def schedule_findings(pool: PoolSpec) -> Iterator[Doubt]:
    for schedule in pool.size.schedules:
        if schedule.duration_s is not None and schedule.lead_time_s >= schedule.duration_s:
            yield warning(
                "schedules",
                f"lead_time of schedule {schedule.cron!r} is not shorter than its duration.",
                "Set a shorter lead_time.",
            )
        yield from _days(schedule.cron)


def _days(cron: str) -> Iterator[Doubt]:
    """Of five or six fields; the last three are day of the month, month and weekday."""
    day, month, weekday = cron.split()[-3:]
    if day == "*" and month != "*" and weekday != "*":
        yield note(
            "schedules",
            f"Schedule {cron!r} starts on every matching weekday of its months, because its day of the month is *.",
            "To start on one day, write the day of the month, and * as the weekday, such as 0 23 24 11 *.",
        )
    if not day.startswith("*") and not weekday.startswith("*"):
        yield note(
            "schedules",
            f"Schedule {cron!r} starts on its days of the month and on its weekdays: in cron, one of the two is enough.",
            "If only one of the two is meant, write * for the other.",
        )
