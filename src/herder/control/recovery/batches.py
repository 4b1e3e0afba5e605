"""Jobs of batches, read from the store at start: jobs of uncommitted batches, and jobs that wait for parents.

Called by `recover.py` only. It must never change a row.
"""

from typing import Any

from sqlalchemy import Connection, select

from herder.engine.jobs.groups import goes_on, withdraws
from herder.engine.jobs.outcomes import note
from herder.engine.memory.state import BatchLife, EngineState
from herder.engine.memory.waiting_jobs import WaitingJob
from herder.model.ids import ClassId, JobId
from herder.model.work.job import JobState
from herder.store.rows import tables as t

#: What the row of a cancelled job may say before it is marked.
_UNMARKED = (JobState.BLOCKED, JobState.READY, JobState.HELD)


def recover_held(batch: BatchLife, job: JobId, class_id: ClassId, row: Any) -> None:
    if row.key is not None:
        batch.keys[row.key] = job
    _note_place(batch, row.position, job)
    if row.state == JobState.BLOCKED:
        batch.waiting[job] = WaitingJob(class_id=class_id, parents_left=0)
    elif batch.held and batch.held[-1][0] == class_id and batch.held[-1][1].stop == job:
        batch.held[-1] = (class_id, range(batch.held[-1][1].start, job + 1))
    else:
        batch.held.append((class_id, range(job, job + 1)))


def recover_accepting(connection: Connection, state: EngineState) -> None:
    """Names and ends of all jobs of batches that run and accept jobs."""
    for batch in state.batches.values():
        if not batch.accepts or batch.state == "open":
            continue
        batch.outcomes = bytearray(batch.jobs)
        j = t.jobs.c
        columns = (j.id, j.position, j.key, j.state, j.class_id)
        query = select(*columns).where(j.batch_id == batch.id).order_by(j.position)
        for job, position, key, job_state, class_id in connection.execute(query):
            _note_place(batch, position, job)
            if key is not None:
                batch.keys[key] = JobId(job)
            told = JobState(job_state)
            if batch.groups is not None and told in _UNMARKED and withdraws(batch, job):
                told = told if state.classes[ClassId(class_id)].always_run else JobState.CANCELLED
            note(batch, JobId(job), told)


def _note_place(batch: BatchLife, position: int, job: int) -> None:
    if batch.bunches and sum(batch.bunches[-1][1:]) == job:
        first_position, first, count = batch.bunches[-1]
        batch.bunches[-1] = (first_position, first, count + 1)
    else:
        batch.bunches.append((position, JobId(job), 1))


def recover_parents(connection: Connection, state: EngineState) -> None:
    """Who waits for whom: only parents that have not ended count."""
    waiting = [batch for batch in state.batches.values() if batch.waiting]
    for batch in waiting:
        query = (
            select(t.job_parents.c.child_id, t.job_parents.c.parent_id, t.jobs.c.state)
            .join(t.jobs, t.jobs.c.id == t.job_parents.c.parent_id)
            .where(t.job_parents.c.batch_id == batch.id)
        )
        for child, parent, parent_state in connection.execute(query):
            entry = batch.waiting.get(JobId(child))
            if entry is None:
                continue
            gone = parent_state < JobState.SUCCEEDED and withdraws(batch, parent)
            gone = gone and not goes_on(state, batch, JobId(parent))
            if parent_state >= JobState.SUCCEEDED or gone:
                entry.parent_failed = entry.parent_failed or parent_state != JobState.SUCCEEDED
                continue
            entry.parents_left += 1
            batch.children.setdefault(JobId(parent), []).append(JobId(child))
