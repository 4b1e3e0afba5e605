"""Bodies of the REST API about drivers: their state and their calls in progress."""

from typing import Literal

import msgspec


class DriverCallView(msgspec.Struct, kw_only=True):
    """A call to the provider that has not returned."""

    verb: str
    worker: str
    since: str
    seconds: float
    abandoned: bool
    """Its deadline has passed: no caller waits for it, but it still occupies a place."""


class DriverView(msgspec.Struct, kw_only=True):
    name: str
    kind: str
    """Empty of one that is missing."""
    state: Literal["ready", "unknown", "unavailable", "frozen", "missing"]
    reason: str
    """Why it is not ready, and the remedy; empty when it is."""
    since: str | None
    """When it was frozen."""
    workers: int
    """That have not ended."""
    places: int
    """Calls that it may have at a time."""
    calls: list[DriverCallView]
    waiting: int
    """Calls that wait for a place."""
    abandoned: int
    abandoned_total: int
    """Since the server started."""
    last_error: str
    last_error_at: str | None
    capabilities: list[str]


class DriverAction(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Body of freeze, unfreeze and forget."""

    message: str = ""
    allow_removals: bool = False
    """Only of unfreeze: for ten minutes the sweep removes what is lost or unknown without its bound."""
