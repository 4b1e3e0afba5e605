"""Idempotency keys: the same write sent again gets the first one's answer, also after a restart of the server.

The answer is stored in the commit of the write itself. Kept for a day (`control/loops/housekeeping.py`), in memory up to a bound.
"""

import hashlib
from collections import OrderedDict

from herder.control.errors import Conflict, Invalid
from herder.model.changes import Changes
from herder.model.records import IdempotencyRecord

#: Answers held in memory: at a kilobyte each, 50 MB at most.
ANSWERS_MAX = 50_000
KEY_LENGTH = 200


class Answers:
    """By (user, key). Filled at start with the latest of the store."""

    def __init__(self, known: list[IdempotencyRecord]) -> None:
        self._known = OrderedDict(((record.user, record.key), record) for record in known[-ANSWERS_MAX:])

    def find(self, user: str, key: str, route: str, body: bytes) -> IdempotencyRecord | None:
        """The answer that was given. Raises Conflict when the key was used for something else."""
        if len(key) > KEY_LENGTH or not key.isprintable():
            raise Invalid(
                "not a usable Idempotency-Key", field="Idempotency-Key", hint=f"up to {KEY_LENGTH} characters"
            )
        record = self._known.get((user, key))
        if record is not None and record.fingerprint != fingerprint(route, body):
            raise Conflict(
                "this Idempotency-Key was used for another request", hint="use a new key for each write"
            )
        return record

    def keep(self, changes: Changes, record: IdempotencyRecord) -> None:
        self._known[(record.user, record.key)] = record
        changes.put(record)
        if len(self._known) > ANSWERS_MAX:
            self._known.popitem(last=False)


def fingerprint(route: str, body: bytes) -> str:
    return hashlib.sha256(route.encode() + b"\n" + body).hexdigest()[:32]
