"""Writes the end of a cancelled batch, or of cancelled groups: their queued jobs are marked row by row, a bounded number per transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from herder.model.work.job import Cause, JobState
from herder.store.rows.job_ranges import jobs_of_cancelled_groups
from herder.store.rows.tables import batches, jobs

#: Rows marked in one transaction: about 50 ms of the writer's time.
PIECE = 20_000
_UNENDED = [int(each) for each in (JobState.PENDING, JobState.BLOCKED, JobState.READY, JobState.HELD)]


def sweep_batch(connection: Connection, batch: int, at_ms: int, keep_classes: Sequence[int]) -> bool:
    """Mark up to `PIECE` jobs; answers whether there may be more. Of a batch that goes on only those of its cancelled groups.

    Jobs of `keep_classes` (`always_run`) go on, unless the batch was never committed: of such a batch nothing runs.
    """
    row = connection.execute(select(batches).where(batches.c.id == batch)).first()
    if row is None or row.state == "open":
        return False
    marked = {"state": int(JobState.CANCELLED), "cause": Cause.CANCELLED.value, "ended_at_ms": at_ms}
    if row.state != "cancelled" and row.ended_at_ms is None:
        return _sweep_groups(connection, batch, marked, keep_classes)
    waiting = select(jobs.c.id).where(jobs.c.batch_id == batch, jobs.c.state.in_(_UNENDED))
    if keep_classes and row.committed_at_ms is not None:
        waiting = waiting.where(jobs.c.class_id.not_in(list(keep_classes)))
    change = update(jobs).where(jobs.c.id.in_(waiting.limit(PIECE))).values(marked)
    return connection.execute(change).rowcount >= PIECE


def _sweep_groups(
    connection: Connection, batch: int, marked: dict[str, object], keep_classes: Sequence[int]
) -> bool:
    query = jobs_of_cancelled_groups(without_classes=bool(keep_classes))
    values = {"batch": batch, "states": _UNENDED, "most": PIECE}
    if keep_classes:
        values["classes"] = list(keep_classes)
    ids = list(connection.execute(query, values).scalars())
    if ids:
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(marked))
    return len(ids) >= PIECE
