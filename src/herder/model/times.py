"""Times as people and JSON see them: ISO 8601 in UTC. Inside, a time is integer milliseconds since the epoch."""

from datetime import UTC, datetime


def iso(at_ms: int) -> str:
    """`2026-01-31T09:30:00.125Z`"""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"


def iso_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)
