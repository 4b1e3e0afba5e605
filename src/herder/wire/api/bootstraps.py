"""Bodies of the REST API about bootstraps: what makes machines join, and whether it can work."""

from typing import Literal

import msgspec


class BootstrapView(msgspec.Struct, kw_only=True):
    name: str
    state: Literal["ready", "refused"]
    reason: str
    """Why its credentials are refused, and the remedy; empty when they are not known to be."""
    since: str | None
    """Since when they are refused."""
    pools: list[str]
    """That use it."""
    workers: int
    """Its workers that have not ended."""
    waiting: int
    """Workers whose machines it has tried to configure without success."""
    unanswered: int
    """Workers whose operating systems did not answer the last question."""
    rungs: list[str]
    """Of the repair ladder: what it can carry out."""
    fingerprint: str
    """It changes when new machines would differ from those that exist."""
    last_error: str
    last_error_at: str | None


class BootstrapCheckView(msgspec.Struct, kw_only=True):
    name: str
    passed: bool
    detail: str
    remedy: str
    """Empty where it passed."""


class BootstrapChecks(msgspec.Struct, kw_only=True):
    bootstrap: str
    passed: bool
    checks: list[BootstrapCheckView]
