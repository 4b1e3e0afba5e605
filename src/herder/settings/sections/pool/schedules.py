"""Schedules, headroom and fractions of a pool: reader and writer. Used by the table of settings (`fields`)."""

from typing import Any

from herder.model.fleet.pool import Headroom
from herder.model.fleet.schedule import Schedule
from herder.model.values.phrases import parts
from herder.settings.syntax import amounts, validation
from herder.settings.syntax.cron import fault
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.numbers import number
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Table, Value

SCHEDULE_KEYS = ("cron", "timezone", "min_workers", "max_workers", "lead_time", "duration")

#: Schedules of one pool: each is looked at in every cycle.
SCHEDULES_MAX = 50


def read_schedules(found: Reading, value: Value) -> tuple[Schedule, ...]:
    items = validation.listing(found, value)
    if len(items) > SCHEDULES_MAX:
        found.wrong(
            value,
            f"The pool has {len(items)} schedules; the maximum is {SCHEDULES_MAX}.",
            f"Write at most {SCHEDULES_MAX}.",
        )
    return tuple(_read_schedule(found, item) for item in items[:SCHEDULES_MAX])


def _read_schedule(found: Reading, value: Value) -> Schedule:
    row = validation.table(found, value)
    before = len(found.problems)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, SCHEDULE_KEYS)}
    for name, example in (("cron", '"0 8 * * 1-5"'), ("min_workers", "5")):
        if name not in given and isinstance(value, Table):
            found.wrong(value, f"The schedule has no {name}.", f"Write `{name}: {example}`.")
    cron = validation.text(found, given["cron"]) if "cron" in given else ""
    zone = validation.text(found, given["timezone"]) if "timezone" in given else "UTC"
    most = given.get("max_workers")
    schedule = Schedule(
        cron=cron,
        timezone=zone,
        min_workers=validation.whole(found, given["min_workers"]) if "min_workers" in given else 0,
        max_workers=None if most is None or is_null(most) else validation.whole(found, most),
        lead_time_s=validation.duration(found, given["lead_time"]) if "lead_time" in given else 0.0,
        duration_s=validation.limit_duration(found, given["duration"]) if "duration" in given else None,
    )
    if len(found.problems) == before and (wrong := fault(cron, zone)) is not None:
        found.wrong(given.get("cron", value), *parts(wrong))
    if schedule.duration_s == 0:
        found.wrong(
            given["duration"],
            "The duration of the schedule must be longer than 0 s.",
            "Write for example 10h.",
        )
    return schedule


def write_schedules(schedules: tuple[Schedule, ...]) -> list[dict[str, Any]]:
    return [
        {
            "cron": each.cron,
            "timezone": each.timezone,
            "min_workers": each.min_workers,
            "max_workers": each.max_workers,
            "lead_time": format_duration(each.lead_time_s),
            "duration": None if each.duration_s is None else format_duration(each.duration_s),
        }
        for each in schedules
    ]


def read_headroom(found: Reading, value: Value) -> Headroom:
    """A number of workers, or a mapping."""
    if isinstance(value, Scalar):
        return Headroom() if is_null(value) else Headroom(workers=validation.whole(found, value))
    row = validation.table(found, value)
    given = {
        entry.name: entry.value
        for entry in validation.known_only(found, row, ("workers", *amounts.amount_keys(found)))
    }
    return Headroom(
        workers=validation.whole(found, given["workers"]) if "workers" in given else 0,
        free=amounts.read_amounts(found, given),
    )


def write_headroom(headroom: Headroom) -> dict[str, Any]:
    return {"workers": headroom.workers, **amounts.write_amounts(headroom.free)}


def read_fraction(found: Reading, value: Value) -> float | None:
    """Above 0 and at most 1, as 0.7 or 70%; null for none."""
    if is_null(value):
        return None
    raw = validation.text(found, value)
    percent = raw.endswith("%")
    fraction = (number(raw.removesuffix("%")) or 0.0) / (100 if percent else 1)
    if not 0 < fraction <= 1:
        found.wrong(value, f"{raw!r} is not a fraction.", "Write for example 0.7 or 70%.")
        return None
    return fraction


def read_optional_count(found: Reading, value: Value) -> int | None:
    return None if is_null(value) else validation.whole(found, value)


def is_null(value: Value) -> bool:
    return isinstance(value, Scalar) and value.text in (None, "none")
