"""Maintenance windows, disruption budgets and the jitter of a pool: readers and writers. Used by the table of settings (`pool_fields`)."""

from collections.abc import Mapping
from typing import Any

from herder.model.fleet.upkeep import USUAL_BUDGET, Budgets, Disruption, DisruptionBudget, TimeWindow
from herder.model.values.phrases import parts
from herder.settings.syntax import validation
from herder.settings.syntax.cron import fault
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.numbers import number
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Listing, Scalar, Table, Value

WINDOW_KEYS = ("cron", "start", "timezone", "duration")
BUDGET_KEYS = ("workers", "reasons", *WINDOW_KEYS)
#: Windows of one pool, and budgets: each is looked at in every cycle.
WINDOWS_MAX = 50
#: The largest part by which a ttl may be shortened.
JITTER_MAX = 0.5


def read_windows(found: Reading, value: Value) -> tuple[TimeWindow, ...]:
    windows = (_read_window(found, item) for item in _few(found, value, "maintenance windows"))
    return tuple(window for window in windows if window is not None)


def write_windows(windows: tuple[TimeWindow, ...]) -> list[dict[str, Any]]:
    return [_plain_window(window) for window in windows]


def read_budgets(found: Reading, value: Value) -> Budgets:
    """A number, or a list of budgets."""
    if isinstance(value, Scalar):
        workers, percent = _amount(found, value)
        return workers if percent is None else (DisruptionBudget(percent=percent),)
    if isinstance(value, Listing) and not value.items:
        found.wrong(
            value, "The list of budgets is empty.", "Write a number such as 1, or remove the setting."
        )
    return tuple(_read_budget(found, item) for item in _few(found, value, "disruption budgets"))


def write_budgets(given: Budgets) -> int | list[dict[str, Any]]:
    return given if isinstance(given, int) else [_plain_budget(each) for each in given]


def read_jitter(found: Reading, value: Value) -> float:
    """0 to 0.5, as 0.05 or 5%."""
    raw = validation.text(found, value)
    percent = raw.endswith("%")
    read = number(raw.removesuffix("%"))
    part = None if read is None else read / (100 if percent else 1)
    if part is None or not 0 <= part <= JITTER_MAX:
        found.wrong(value, f"{raw!r} is not a part from 0 % to {JITTER_MAX:.0%}.", "Write for example 5%.")
        return 0.0
    return part


def _few(found: Reading, value: Value, what: str) -> tuple[Value, ...]:
    items = validation.listing(found, value)
    if len(items) > WINDOWS_MAX:
        found.wrong(
            value,
            f"The pool has {len(items)} {what}; the maximum is {WINDOWS_MAX}.",
            f"Write at most {WINDOWS_MAX}.",
        )
    return items[:WINDOWS_MAX]


def _read_window(found: Reading, value: Value) -> TimeWindow | None:
    row = validation.table(found, value)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, WINDOW_KEYS)}
    return _window(found, value, given) if isinstance(value, Table) else None


def _window(found: Reading, whole: Value, given: Mapping[str, Value]) -> TimeWindow | None:
    before = len(found.problems)
    if ("cron" in given) == ("start" in given):
        both = "The window has cron and start." if "cron" in given else "The window has no cron."
        found.wrong(
            whole, both, 'Write either `start: "02:00"` for every day, or a cron such as `cron: "0 2 * * 6"`.'
        )
    if "duration" not in given:
        found.wrong(
            whole, "The window has no duration, so it would never end.", "Write for example `duration: 4h`."
        )
    if len(found.problems) > before:
        return None
    cron = validation.text(found, given["cron"]) if "cron" in given else _daily(found, given["start"])
    zone = validation.text(found, given["timezone"]) if "timezone" in given else "UTC"
    length_s = validation.duration(found, given["duration"])
    if len(found.problems) == before and length_s <= 0:
        found.wrong(
            given["duration"], "The duration of the window must be longer than 0 s.", "Write for example 4h."
        )
    if len(found.problems) == before and (wrong := fault(cron, zone)) is not None:
        found.wrong(given.get("cron", given.get("timezone", whole)), *parts(wrong))
    return TimeWindow(cron=cron, timezone=zone, duration_s=length_s)


def _daily(found: Reading, value: Value) -> str:
    """A time of the day as a cron expression."""
    raw = validation.text(found, value)
    hour, _, minute = raw.partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and len(minute) == 2 and len(hour) <= 2):
        found.wrong(value, f"{raw!r} is not a time of the day.", 'Write hours and minutes, such as "02:00".')
        return "0 0 * * *"
    if int(hour) > 23 or int(minute) > 59:
        found.wrong(value, f"{raw!r} is not a time of the day.", 'Write "00:00" to "23:59".')
        return "0 0 * * *"
    return f"{int(minute)} {int(hour)} * * *"


def _plain_window(window: TimeWindow) -> dict[str, Any]:
    return {
        "cron": window.cron,
        "timezone": window.timezone,
        "duration": format_duration(window.duration_s),
    }


def _read_budget(found: Reading, value: Value) -> DisruptionBudget:
    row = validation.table(found, value)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, BUDGET_KEYS)}
    if not isinstance(value, Table):
        return DisruptionBudget(workers=USUAL_BUDGET)
    if "workers" not in given:
        found.wrong(value, "The budget has no workers.", "Write `workers: 1` or `workers: 10%`.")
    workers, percent = _amount(found, given["workers"]) if "workers" in given else (USUAL_BUDGET, None)
    named = validation.listing(found, given["reasons"]) if "reasons" in given else ()
    reasons = (validation.choice(found, each, Disruption, Disruption.DRIFTED) for each in named)
    timed = any(key in given for key in WINDOW_KEYS)
    return DisruptionBudget(
        workers=workers if percent is None else None,
        percent=percent,
        reasons=tuple(dict.fromkeys(reasons)),
        window=_window(found, value, given) if timed else None,
    )


def _amount(found: Reading, value: Value) -> tuple[int, int | None]:
    """(workers, percent)."""
    raw = validation.text(found, value) if isinstance(value, Scalar) and value.text is not None else ""
    if not raw.endswith("%"):
        return validation.whole(found, value), None
    part = raw.removesuffix("%").strip()
    if not part.isdecimal() or len(part) > 3 or int(part) > 100:
        found.wrong(
            value, f"{raw!r} is not a percentage.", "Write a whole number of percent, from 0% to 100%."
        )
        return USUAL_BUDGET, None
    return 0, int(part)


def _plain_budget(budget: DisruptionBudget) -> dict[str, Any]:
    plain: dict[str, Any] = {"workers": str(budget) if budget.percent is not None else budget.workers}
    if budget.reasons:
        plain["reasons"] = [each.value for each in budget.reasons]
    return plain if budget.window is None else {**plain, **_plain_window(budget.window)}
