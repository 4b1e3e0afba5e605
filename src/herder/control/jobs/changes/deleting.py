"""`herder batch delete`: a batch that has ended disappears at once, and its rows are deleted in the background, piece by piece.

Called by `Commands`. Totals that people see stay, as they do when rows are deleted by their age. A start goes on with what is left.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, func, select

from herder.control.access.access_check import OF_KIND, check, not_known
from herder.control.jobs.submitting.submission import batch_thing
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.ids import BatchId
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.stored.records import BatchRecord
from herder.model.values.phrases import counted
from herder.store.rows import tables as t
from herder.store.writing.retention import DELETED, deleted_batches


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the store has of a batch."""

    row: Row[Any]
    attempts: int
    log_bytes: int
    retries: int = 0


async def go_on(core: Core) -> None:
    """At a start: what was deleted before, and is not all gone."""
    for batch in await core.read(deleted_batches):
        core.delete_batch(batch)


async def find(core: Core, who: Principal, batch: int) -> Stored | None:
    """None when there is no such batch: a request that is repeated has deleted it. Raises Refused."""
    check(who, Action.CHANGE, OF_KIND[Kind.BATCH])
    retries = core.state.retries
    await core.settle()
    found: Stored | None = await core.read(partial(_read, batch=batch, retries=retries))
    if found is not None:
        check(who, Action.CHANGE, batch_thing(batch, found.row.user, found.row.project))
    return found


def _read(connection: Connection, batch: int, retries: int) -> Stored | None:
    row = connection.execute(select(t.batches).where(t.batches.c.id == batch)).first()
    if row is None or row.state == DELETED:
        return None
    jobs = select(t.jobs.c.id).where(t.jobs.c.batch_id == batch)
    attempts = select(func.count()).select_from(t.attempts).where(t.attempts.c.job_id.in_(jobs))
    size = select(func.sum(func.length(t.log_chunks.c.text))).where(t.log_chunks.c.job_id.in_(jobs))
    return Stored(
        row=row,
        attempts=connection.execute(attempts).scalar() or 0,
        log_bytes=int(connection.execute(size).scalar() or 0),
        retries=retries,
    )


def delete(
    core: Core,
    who: Principal,
    batch: BatchId,
    found: Stored | None,
    changes: Changes,
    now_ms: int,
    *,
    message: str,
    dry_run: bool,
) -> str:
    if found is None:
        raise not_known(Kind.BATCH, batch)
    row = found.row
    check_message(message)
    if row.ended_at_ms is None or batch in core.state.batches:
        raise Conflict(
            f"Batch {batch} has not ended.",
            hint=f"Cancel it with `herder batch cancel {batch}`, and delete it when it has ended.",
        )
    if core.state.retries != found.retries:
        raise Conflict(f"Batch {batch} has changed at this moment.", hint="Try again.")
    what = (
        f"Batch {batch} with {counted(row.jobs, 'job')}, {counted(found.attempts, 'attempt')} "
        f"and {counted(found.log_bytes, 'character')} of output"
    )
    if dry_run:
        return f"{what} would be deleted."
    core.state.retries += 1
    changes.put(BatchRecord(**{**row._mapping, "state": DELETED}))
    text = f"{what} was deleted by {who.user}" + (f": {message}" if message else "")
    record_event(
        core.state,
        changes,
        now_ms,
        "batch.deleted",
        f"batch/{batch}",
        text.removesuffix(".") + ".",
        actor=who.actor,
        owner=row.user,
        project=row.project,
    )
    changes.after.append(partial(core.delete_batch, batch))
    return f"{what} was deleted."
