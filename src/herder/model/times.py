"""Times as people and JSON see them: ISO 8601 in UTC. Inside, a time is integer milliseconds since the epoch."""

from datetime import UTC, datetime


def iso(at_ms: int) -> str:
    """`2026-01-31T09:30:00.125Z`"""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def iso_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


def span(length_ms: int) -> str:
    """As people say it, in one unit: `40 s`, `2 min`, `3 h`, `5 d`."""
    seconds = length_ms / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
