"""Callbacks of batches: the check of a URL at a submission, and `herder callback retry`.

Called by `submission.py` and `Commands`. `control/loops/callbacks.py` sends.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row

from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.model.stored.service_records import CallbackRecord
from herder.notify.addresses import Allowed, BadTarget, checked
from herder.store.writing.outbox import DUE, of_batch, subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the store has of the message about a batch, as of `retries`."""

    row: Row[Any]
    retries: int


def check_url(core: Core, url: str, field: str = "callback") -> None:
    """Raises Invalid."""
    try:
        checked(url, Allowed(core.settings.callbacks.allow))
    except BadTarget as error:
        raise Invalid(str(error), field=field, hint=error.hint) from None


async def find(core: Core, batch: int, group: str) -> Sent:
    """The message about a batch, or a group of it, that has ended and that the caller may change. Raises NotKnown."""
    retries = core.state.retries
    await core.settle()
    row = await core.read(partial(of_batch, batch=batch, group=group))
    if row is None and group:
        raise NotKnown(
            f"There is no callback of group {group[:100]!r} of batch {batch} to be sent.",
            hint=f"`herder batch groups {batch}` shows which groups have ended; only those with a callback send one.",
        )
    if row is None:
        raise NotKnown(
            f"There is no callback of batch {batch} to be sent.",
            hint=f"`herder batch get {batch}` shows whether the batch has a callback and has ended.",
        )
    return Sent(row=row, retries=retries)


def retry(core: Core, who: Principal, found: Sent, changes: Changes, now_ms: int) -> str:
    """Send it at once, and try it from now on for as long as a new one; also one that was delivered."""
    row = found.row
    if row.id in core.outbox.sending or core.state.retries != found.retries:
        raise Conflict(f"The callback of {subject(row)} is being sent.", hint="Try again.")
    changes.put(
        CallbackRecord(
            **{
                **row._mapping,
                "state": DUE,
                "tries": 0,
                "since_ms": now_ms,
                "next_at_ms": now_ms,
                "ended_at_ms": None,
            }
        )
    )
    text = f"The callback of {subject(row)} is sent again."
    record_event(
        core.state, changes, now_ms, "callback.retried", row.object, text,
        actor=who.actor, owner=row.user, project=row.project,
    )  # fmt: skip
    return text
