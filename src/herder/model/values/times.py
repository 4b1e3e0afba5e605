"""Times as people and JSON see them: ISO 8601 in UTC. Inside, a time is integer milliseconds since the epoch."""

from datetime import UTC, datetime


def iso(at_ms: int) -> str:
    """`2026-01-31T09:30:00.125Z`"""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def iso_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


def span(length_ms: int) -> str:
    """As people say it, in one unit: `40 s`, `2 min`, `3 h`, `5 d`. `web/static/live.js` repeats it."""
    seconds = length_ms / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds / size + 0.5)} {unit}"
    return f"{int(seconds + 0.5)} s"


def brief(length_ms: int) -> str:
    """For tables: `119s`, `2m`, `1h05m`, `4d`."""
    whole = max(0, length_ms // 1000)
    if whole < 120:
        return f"{whole}s"
    if whole < 3 * 3600:
        return f"{whole // 60}m" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02}m"
    if whole < 2 * 86_400:
        return f"{whole // 3600}h"
    return f"{whole // 86_400}d"
