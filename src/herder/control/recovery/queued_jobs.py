"""The jobs that have not ended, from the rows into the queues. Called by `recover.py`; it must never change what a row says.

A server may start with millions of jobs, and nearly all of them just wait: these are gathered by class, so that a job costs a few
steps and no objects.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, select, text

from herder.control.recovery.batches import recover_held
from herder.control.recovery.history import UNENDED
from herder.engine.jobs import backoff
from herder.engine.jobs.groups import withdraws
from herder.engine.jobs.job import let_run, make_ready
from herder.engine.memory.keeping import HeldJob
from herder.engine.memory.queue import Segment, Taken
from herder.engine.memory.state import BatchLife, EngineState
from herder.engine.memory.waiting_jobs import DelayedJob, WaitingJob
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.work.job import JobState
from herder.store.rows import tables as t

#: Rows fetched at a time.
FETCH = 10_000
_READY = int(JobState.READY)


def recover_jobs(connection: Connection, state: EngineState) -> list[int]:
    """Queue what is ready. Rows of batches and groups that are over, or cancelled, only wait to be marked: answers these batches."""
    unswept: set[int] = set()
    queued = _Queued(state)
    committed: dict[int | None, int | None] = {None: None}
    """Of batches whose jobs may run: when they were committed."""
    for batch in state.batches.values():
        if batch.state != "open" and not batch.cancelled and batch.keeping is None and batch.groups is None:
            committed[batch.id] = batch.committed_at_ms
    for rows in _rows(connection):
        for row in rows:
            job, batch_id, class_id, now, attempts, ready_at_ms, created_at_ms, not_before_ms, _, _, _ = row
            if now == _READY and not attempts and not_before_ms is None and batch_id in committed:
                queued.add(class_id, batch_id, job, ready_at_ms or committed[batch_id] or created_at_ms)
                continue
            rare = _Row._make(row)
            if _is_over(state, rare):
                unswept.add(rare.batch_id)  # counted as cancelled already
            else:
                _other(state, queued, rare)
    queued.finish()
    for batch in state.batches.values():
        if batch.keeping is not None:
            let_run(state, batch, batch.keeping)
    return sorted(unswept)


class _Row(NamedTuple):
    """The columns that are read, in their order."""

    id: int
    batch_id: int
    class_id: int
    state: int
    attempts: int
    ready_at_ms: int | None
    created_at_ms: int
    not_before_ms: int | None
    failures: int
    key: str | None
    position: int


def _rows(connection: Connection) -> Iterator[Sequence[tuple[Any, ...]]]:
    query = (
        select(*(t.jobs.c[name] for name in _Row._fields))
        .where(t.jobs.c.state.in_(UNENDED), t.NOT_SUCCEEDED)
        .order_by(text("+jobs.id"))  # as it stands SQLite would go through all jobs, just for the order
    )
    if connection.dialect.name != "sqlite":
        for part in connection.execute(query.execution_options(stream_results=True)).partitions(FETCH):
            yield cast(Sequence[tuple[Any, ...]], part)
        return
    # Rows of SQLAlchemy cost as much again as reading them. Without stream_results it reads none by itself.
    result = connection.execute(query)
    cursor = result.cursor
    assert cursor is not None
    while rows := cursor.fetchmany(FETCH):
        yield rows
    result.close()


class _Queued:
    """Jobs that wait, by class: those that became ready together are queued together. Called in the order of their numbers."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        self._runs: dict[int, tuple[int | None, int, list[int]]] = {}
        """By class, what is not queued yet: batch, when they became ready, jobs."""
        self._late: dict[ClassId, list[Taken]] = {}
        """Those that became ready before another that was read before them."""
        self._count = 0

    def add(self, class_id: int, batch_id: int | None, job: int, ready_at_ms: int) -> None:
        self._count += 1
        run = self._runs.get(class_id)
        if run is not None:
            if run[1] == ready_at_ms and run[0] == batch_id:
                run[2].append(job)
                return
            self._queue(class_id, *run)
        self._runs[class_id] = (batch_id, ready_at_ms, [job])

    def _queue(self, number: int, batch: int | None, ready_at_ms: int, jobs: list[int]) -> None:
        class_id, batch_id = ClassId(number), None if batch is None else BatchId(batch)
        queue = self._state.queue(class_id)
        if queue.count and ready_at_ms < queue.newest_ready_at_ms:
            self._late.setdefault(class_id, []).extend((batch_id, job, ready_at_ms) for job in jobs)
            return
        whole = jobs[-1] - jobs[0] == len(jobs) - 1
        ids = range(jobs[0], jobs[-1] + 1) if whole else jobs
        make_ready(self._state, batch_id, class_id, ids, ready_at_ms)

    def finish(self) -> None:
        self._state.counts[_READY] += self._count
        for class_id, run in self._runs.items():
            self._queue(class_id, *run)
        for late, jobs in self._late.items():
            self._state.queue(late).merge(jobs)


def _is_over(state: EngineState, row: Any) -> bool:
    if row.batch_id is None or row.state == JobState.RUNNING:
        return False
    batch = state.batches.get(BatchId(row.batch_id))
    if batch is None:
        return True
    return withdraws(batch, row.id) and not state.classes[ClassId(row.class_id)].always_run


def _other(state: EngineState, queued: _Queued, row: Any) -> None:
    """What was tried before, waits for something, runs, or is of a batch that is open or cancelled."""
    job, class_id = JobId(row.id), ClassId(row.class_id)
    batch = None if row.batch_id is None else state.batches.get(BatchId(row.batch_id))
    if batch is not None and batch.state == "open":
        recover_held(batch, job, class_id, row)
        state.counts[JobState.PENDING if row.state == JobState.READY else JobState.BLOCKED] += 1
    elif row.state == JobState.READY:
        _ready(state, queued, batch, row)
    elif row.state == JobState.HELD:
        _note_tries(state, batch, row)
        state.counts[JobState.HELD] += 1
        state.held_jobs[job] = HeldJob(
            class_id=class_id, batch=batch.id if batch else None, ready_at_ms=ready_at_of(batch, row)
        )
    else:
        state.counts[row.state] += 1
        if row.state == JobState.BLOCKED and batch is not None:
            batch.waiting[job] = WaitingJob(class_id=class_id, parents_left=0)


def _ready(state: EngineState, queued: _Queued, batch: BatchLife | None, row: Any) -> None:
    job, class_id, batch_id = JobId(row.id), ClassId(row.class_id), batch.id if batch else None
    _note_tries(state, batch, row)
    ready_at_ms = ready_at_of(batch, row)
    keeping = None if batch is None or batch.cancelled else batch.keeping
    if batch is not None and keeping is not None and (keeping.hold or row.not_before_ms is None):
        keeping.park(class_id, Segment(batch.id, range(job, job + 1), ready_at_ms))
        state.counts[JobState.HELD if keeping.hold else JobState.READY] += 1
        return
    if row.not_before_ms is None:
        queued.add(class_id, batch_id, job, ready_at_ms)
        return
    state.counts[_READY] += 1
    waiting = DelayedJob(
        class_id=class_id, batch=batch_id, ready_at_ms=ready_at_ms, not_before_ms=row.not_before_ms
    )
    backoff.delay(state, job, waiting)


def _note_tries(state: EngineState, batch: BatchLife | None, row: Any) -> None:
    if row.attempts:
        state.tried_of(batch.id if batch else None)[JobId(row.id)] = (row.attempts, row.failures)


def ready_at_of(batch: BatchLife | None, row: Any) -> int:
    """Of jobs that became ready with their batch the row does not say it."""
    return int(row.ready_at_ms or (batch.committed_at_ms if batch else None) or row.created_at_ms)
