"""Durations as people write them (`30m`, `4h`, `1h30m`, `300s`, `250ms`): to seconds and back, exactly.

Also used by the command line for `--timeout` and the like, and by files of jobs. Pure. A number without a unit is refused: in one place it
was taken for seconds, in another for hours. Only 0 needs none.
"""

import re
from decimal import Decimal

#: Above this a duration is a slip, and points in time would leave the calendar.
LONGEST_S = 87_600 * 3_600
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)\s*(ms|d|h|m|s)\s*")


def parse_duration(text: str | float) -> float:
    """To seconds. Raises ValueError that says what is wrong."""
    raw = str(text).strip()
    if _NUMBER.fullmatch(raw):
        if Decimal(raw) == 0:
            return 0.0
        raise ValueError(f"{raw[:50]!r} has no unit; write {raw[:20]}s, {raw[:20]}m or {raw[:20]}h")
    total, position = Decimal(0), 0
    while match := _PART.match(raw, position):
        unit = match.group(2)
        amount = Decimal(match.group(1))
        total += amount / 1000 if unit == "ms" else amount * _UNITS[unit]
        position = match.end()
    if position == 0 or position != len(raw):
        raise ValueError(f"{raw!r} is not a duration; write a duration such as 300s, 30m, 4h or 1h30m")
    return _bounded(total, raw)


def _bounded(seconds: Decimal, raw: str) -> float:
    if seconds > LONGEST_S:
        raise ValueError(f"{raw[:50]!r} is longer than ten years; write at most {LONGEST_S // 3600}h")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """The shortest exact form with one unit: `30m`, `4h`, `90s`, `0.5s`. `parse_duration` gives the same number back."""
    if seconds == 0:
        return "0s"
    if seconds != int(seconds):
        return f"{seconds!r}s"
    whole = int(seconds)
    unit = next(unit for unit, size in _UNITS.items() if whole % size == 0)
    return f"{whole // _UNITS[unit]}{unit}"
