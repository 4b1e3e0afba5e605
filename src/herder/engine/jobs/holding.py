"""Holds ready jobs back, and releases them: all of a batch, or one job.

Called by `control/jobs/changes/holding.py`. Running attempts go on. A held batch is one small write, however many jobs it has: that its jobs are held is
known from the batch. A job that is held by itself has its own row, and stays held when its batch is released.
"""

from bisect import bisect_left
from collections.abc import Iterator

from herder.engine.jobs.backoff import withdraw_delayed
from herder.engine.jobs.batch_end import close_if_done
from herder.engine.jobs.job import count_move, let_run
from herder.engine.memory.events import record_event
from herder.engine.memory.groups import runs_of
from herder.engine.memory.keeping import HeldJob, Keeping
from herder.engine.memory.queue import Segment
from herder.engine.memory.state import BatchLife, EngineState
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobStatus
from herder.model.values.phrases import sentence
from herder.model.work.job import JobState


def is_held(state: EngineState, batch_id: BatchId | None) -> bool:
    """Whether a job of this batch that becomes ready is held."""
    batch = None if batch_id is None else state.batches[batch_id]
    return batch is not None and batch.keeping is not None and batch.keeping.hold and not batch.cancelled


def hold_batch(
    state: EngineState, changes: Changes, batch: BatchLife, now_ms: int, *, actor: str, message: str
) -> None:
    """Costs a step for each class and each job that a worker failed, not one for each job. Not of a cancelled batch, nor of a held one."""
    keeping = batch.keeping
    if keeping is None:
        keeping = batch.keeping = Keeping()
    for class_id, queue in state.queues.items():
        for segment in queue.take_batch(batch.id):
            keeping.park(class_id, segment)
            state.stirred_queues.add(class_id)
    delayed = [(job, each) for job, each in state.delayed.items() if each.batch == batch.id]
    for job, each in delayed:
        withdraw_delayed(state, job)
        keeping.park(each.class_id, Segment(batch.id, range(job, job + 1), each.ready_at_ms))
    for job in _parked_after_faults(state, batch, keeping):
        # Its row may say that it waits for a time. After a restart it would take a turn beside the others.
        attempts, failures = state.tried_of(batch.id).get(job, (0, 0))
        changes.job_status[job] = JobStatus(job, int(JobState.READY), attempts, failures, "", None, None)
    keeping.hold = True
    count_move(state, batch, JobState.READY, JobState.HELD, keeping.count, jobs=runs_of(keeping.segments))
    _record(state, changes, batch, "batch.held", "held", now_ms, actor, message)


def _parked_after_faults(state: EngineState, batch: BatchLife, keeping: Keeping) -> Iterator[JobId]:
    """Of the jobs that are kept back, those that a worker has failed. One pass over the runs of jobs."""
    failed = sorted(job for job, faults in state.faults.items() if faults.batch == batch.id)
    for run in runs_of(keeping.segments) if failed else ():
        first, stop = (run, run + 1) if isinstance(run, int) else (run.start, run.stop)
        yield from failed[bisect_left(failed, first) : bisect_left(failed, stop)]


def release_batch(
    state: EngineState, changes: Changes, batch: BatchLife, now_ms: int, *, actor: str, message: str
) -> None:
    """Only of a held one."""
    keeping = batch.keeping
    if keeping is None:
        raise AssertionError(f"batch {batch.id} is not held")
    count_move(state, batch, JobState.HELD, JobState.READY, keeping.count, jobs=runs_of(keeping.segments))
    keeping.hold = False
    let_run(state, batch, keeping)
    if keeping.parallel_max is None:
        batch.keeping = None
    _record(state, changes, batch, "batch.released", "released", now_ms, actor, message)
    close_if_done(state, changes, batch, now_ms)


def _record(
    state: EngineState,
    changes: Changes,
    batch: BatchLife,
    kind: str,
    what: str,
    now_ms: int,
    actor: str,
    message: str,
) -> None:
    by = actor.removeprefix("user/")
    record_event(
        state,
        changes,
        now_ms,
        kind,
        f"batch/{batch.id}",
        sentence(f"Batch {batch.id} was {what} by {by}" + (f": {message}" if message else "")),
        actor=actor,
        owner=batch.user,
        project=batch.project,
    )


def hold_job(
    state: EngineState, changes: Changes, job: JobId, class_id: ClassId, batch: BatchLife | None
) -> bool:
    """Hold a job that waits for a worker, or for its turn. False when it does not."""
    found = withdraw_ready(state, job, class_id, batch)
    if found is None:
        return False
    old, ready_at_ms = found
    batch_id = None if batch is None else batch.id
    state.held_jobs[job] = HeldJob(class_id=class_id, batch=batch_id, ready_at_ms=ready_at_ms)
    attempts, failures = state.tried_of(batch_id).get(job, (0, 0))
    changes.job_status[job] = JobStatus(job, int(JobState.HELD), attempts, failures, "", None, None)
    if old is not JobState.HELD:
        count_move(state, batch, old, JobState.HELD, jobs=job)
    if batch is not None and batch.keeping is not None:
        let_run(state, batch, batch.keeping)  # another may take its turn
    return True


def can_hold(state: EngineState, job: JobId, class_id: ClassId, batch: BatchLife | None) -> bool:
    """Whether `hold_job` would."""
    queue = state.queues.get(class_id)
    waits = job in state.delayed or (queue is not None and queue.ready_at_ms(job) is not None)
    return waits or (batch is not None and batch.keeping is not None and batch.keeping.has(class_id, job))


def withdraw_ready(
    state: EngineState, job: JobId, class_id: ClassId, batch: BatchLife | None
) -> tuple[JobState, int] | None:
    """Take out a job that waits for a worker, for its turn or for its batch; answers its state, and when it became ready. None when it
    does not."""
    waiting = withdraw_delayed(state, job)
    if waiting is not None:
        return JobState.READY, waiting.ready_at_ms
    queue = state.queue(class_id)
    ready_at_ms = queue.ready_at_ms(job)
    if ready_at_ms is not None:
        queue.withdraw(job)
        return JobState.READY, ready_at_ms
    keeping = None if batch is None else batch.keeping
    ready_at_ms = None if keeping is None else keeping.withdraw(class_id, job)
    if keeping is None or ready_at_ms is None:
        return None
    return JobState.HELD if keeping.hold else JobState.READY, ready_at_ms


def is_kept(state: EngineState, job: JobId, class_id: ClassId, batch: BatchLife | None) -> bool:
    """Whether it is held, or waits for its turn."""
    if job in state.held_jobs:
        return True
    return batch is not None and batch.keeping is not None and batch.keeping.has(class_id, job)


def release_job(state: EngineState, changes: Changes, job: JobId, batch: BatchLife | None) -> bool:
    """False when it is not held by itself. It stands in the queue where its age puts it."""
    held = state.held_jobs.pop(job, None)
    if held is None:
        return False
    attempts, failures = state.tried_of(held.batch).get(job, (0, 0))
    changes.job_status[job] = JobStatus(job, int(JobState.READY), attempts, failures, "", None, None)
    count_move(state, batch, JobState.HELD, JobState.READY, jobs=job)
    make_ready_again(state, batch, held.class_id, job, held.ready_at_ms)
    return True


def make_ready_again(
    state: EngineState, batch: BatchLife | None, class_id: ClassId, job: JobId, ready_at_ms: int
) -> None:
    """As `make_ready`, of one that became ready before. The caller has counted it as ready."""
    keeping = None if batch is None or batch.cancelled else batch.keeping
    if batch is None or keeping is None:
        state.queue(class_id).put_back(None if batch is None else batch.id, job, ready_at_ms)
        state.fresh_demand = True
        return
    keeping.park(class_id, Segment(batch.id, range(job, job + 1), ready_at_ms))
    if keeping.hold:
        count_move(state, batch, JobState.READY, JobState.HELD, jobs=job)
    else:
        let_run(state, batch, keeping)
