"""Writes the end of a cancelled batch: its queued jobs are marked row by row, a bounded number per transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from herder.model.work.job import Cause, JobState
from herder.store.rows.tables import batches, jobs

#: Rows marked in one transaction: about 50 ms of the writer's time.
PIECE = 20_000


def sweep_batch(connection: Connection, batch: int, at_ms: int, keep_classes: Sequence[int]) -> bool:
    """Mark up to `PIECE` jobs; answers whether there may be more.

    Jobs of `keep_classes` (`always_run`) go on, unless the batch was never committed: of such a batch nothing runs.
    """
    waiting = select(jobs.c.id).where(
        jobs.c.batch_id == batch,
        jobs.c.state.in_([JobState.PENDING, JobState.BLOCKED, JobState.READY, JobState.HELD]),
    )
    committed = select(batches.c.id).where(batches.c.id == batch, batches.c.committed_at_ms.is_not(None))
    if keep_classes and connection.execute(committed).first() is not None:
        waiting = waiting.where(jobs.c.class_id.not_in(list(keep_classes)))
    marked = connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(waiting.limit(PIECE)))
        .values(state=int(JobState.CANCELLED), cause=Cause.CANCELLED.value, ended_at_ms=at_ms)
    )
    return marked.rowcount >= PIECE
