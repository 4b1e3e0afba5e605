"""What a connection knows about its caller: set by the API and the dashboard once a token was accepted, and read by the server's
connections, which have lower limits for callers without a token. It grants no right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Where a connection puts it: `scope["state"]`.
STATE_KEY = "standing"


@dataclass(slots=True)
class KnownCaller:
    """One for each connection. `owner` is whoever's token came over it, as `user/ann` or `worker/w-1`."""

    owner: str | None = None
    told: Callable[[str], None] | None = None
    """Called when the caller becomes known, or changes."""


def trust(scope: Any, owner: str) -> None:
    """The caller has shown a token that is good."""
    standing = scope.get("state", {}).get(STATE_KEY)
    if standing is not None and standing.owner != owner:
        standing.owner = owner
        if standing.told is not None:
            standing.told(owner)
