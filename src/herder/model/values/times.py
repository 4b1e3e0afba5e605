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
    """For tables: `119s`, `5m30s`, `42m`, `5h56m`, `30h`, `3d07h`, `12d`. As kubectl: two units where one would hide much of it, and a part
    that is zero is left out from 3 h on."""
    whole = max(0, length_ms // 1000)
    minutes, hours = whole // 60, whole // 3600
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m" + (f"{whole % 60:02}s" if whole % 60 else "")
    if hours < 1:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + (f"{minutes % 60:02}m" if minutes % 60 or hours < 3 else "")
    if hours < 48:
        return f"{hours}h"
    if hours < 8 * 24:
        return f"{hours // 24}d" + (f"{hours % 24:02}h" if hours % 24 else "")
    return f"{hours // 24}d"
