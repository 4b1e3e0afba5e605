"""What providers write when they take a machine back, read: files and the metadata of clouds. Pure; used by `notice_sources.py`.

Known forms, told apart by what they contain: AWS (`{"action": …, "time": …}` of spot/instance-action), Google Cloud (`TRUE` or `FALSE` of
instance/preempted), Azure (`{"Events": […]}` of scheduledevents), and for files also a time, a number of seconds or nothing at all.
"""

import json
import math
from collections.abc import Collection
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: A time that passed longer ago is of another life of the machine.
PAST_S = 600.0
#: AWS also announces actions that take nothing away.
_HARMLESS = frozenset({"none", ""})


def left_s(text: str, now_ms: int, usual_s: float, names: Collection[str]) -> float | None:
    """How long the machine has left; None: it is not taken back. `usual_s`: where it is not said. `names`: of this machine, in lower case.
    Whatever cannot be read is a notice all the same: something has been said."""
    text = text.strip()
    if text.upper() in ("FALSE", "NONE"):
        return None
    if text.upper() in ("TRUE", ""):
        return usual_s
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    if isinstance(found, dict):
        return _of_object(found, now_ms, usual_s, names)
    return _of_value(found, now_ms, usual_s)


def _of_object(found: dict[str, object], now_ms: int, usual_s: float, names: Collection[str]) -> float | None:
    events = found.get("Events")
    if isinstance(events, list):
        told = [
            _of_value(each.get("NotBefore"), now_ms, usual_s)
            for each in events
            if isinstance(each, dict) and _takes(each, names)
        ]
        return min((each for each in told if each is not None), default=None)
    if str(found.get("action", "terminate")).lower() in _HARMLESS:
        return None
    seconds = found.get("left_s")
    return _of_value(found.get("time") if seconds is None else seconds, now_ms, usual_s)


def _takes(event: dict[str, object], names: Collection[str]) -> bool:
    """Azure tells all machines of a set about each of them."""
    mine = event.get("Resources")
    about_me = not isinstance(mine, list) or not mine or any(str(each).lower() in names for each in mine)
    return event.get("EventType") in ("Preempt", "Terminate") and about_me


def _of_value(value: object, now_ms: int, usual_s: float) -> float | None:
    """A number of seconds that are left, or a time."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return max(0.0, float(value)) if math.isfinite(value) else usual_s
    at = time_of(value) if isinstance(value, str) else None
    if at is None:
        return usual_s
    seconds = at.timestamp() - now_ms / 1000
    return None if seconds < -PAST_S else max(0.0, seconds)


def time_of(text: str) -> datetime | None:
    """ISO 8601 or as in HTTP; UTC where it names no zone."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(text.strip())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return None
