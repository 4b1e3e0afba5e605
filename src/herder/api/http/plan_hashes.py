"""The hash of a dry run: what was asked, by whom, what it would do, and the state that this depends on. Used by the route table.

It is no secret and gives no right; it tells whether the answer that a caller has read is still true.
"""

import hashlib
import hmac
from typing import Any

import msgspec

from herder.control.kernel.bounds.errors import Conflict


def plan_hash(user: str, method: str, path: str, body: Any, state: Any) -> str:
    """32 hexadecimal digits."""
    seen = msgspec.json.encode((user, method, path, body, state), order="deterministic")
    return hashlib.sha256(seen).hexdigest()[:32]


def check_plan(seen: str, now: str) -> None:
    """Raises Conflict when they differ."""
    if not hmac.compare_digest(seen.encode(), now.encode()):
        raise Conflict(
            "The plan is out of date: the request, the caller or the state of what it changes differs from the dry run.",
            hint="Plan again, read what would change, and apply the new plan.",
        )
