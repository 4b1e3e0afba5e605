"""The states of a job from submission to its end: counts, readiness after its parents, and the effect of its end on its children.

Called by `batch.py` and `engine/attempts/attempt.py`. Every change of a job's state goes through `count_move`, so the counts cannot drift.
"""

from herder.engine.jobs.outcomes import note
from herder.engine.memory.groups import Runs
from herder.engine.memory.keeping import Keeping
from herder.engine.memory.queue import Segment
from herder.engine.memory.state import BatchLife, EngineState
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobStatus
from herder.model.work.job import Cause, JobState


def count_move(
    state: EngineState,
    batch: BatchLife | None,
    old: JobState | None,
    new: JobState,
    count: int = 1,
    *,
    jobs: int | Runs | None,
) -> None:
    """`count` jobs went from `old` (None: they are new) to `new`. `jobs`: which, only looked at when the batch has groups; None: all of the
    batch that are in `old`."""
    if old is not None:
        state.counts[old] -= count
    state.counts[new] += count
    if batch is not None:
        counts = batch.counts
        if old is not None:
            counts[old] = counts.get(old, 0) - count
        counts[new] = counts.get(new, 0) + count
        state.dirty_batches[batch.id] = batch
        if batch.groups is not None:
            batch.groups.move(jobs, old, new)


def make_ready(
    state: EngineState, batch_id: BatchId | None, class_id: ClassId, jobs: range | list[int], now_ms: int
) -> None:
    """Queue jobs, or keep them back as their batch does. The caller has counted and recorded them as ready."""
    if class_id in state.overdue:
        state.timed.add(class_id)
        state.next_deadline_ms = 0
    batch = None if batch_id is None else state.batches[batch_id]
    if batch is not None and batch.keeping is not None and not batch.cancelled:
        _keep(state, batch, batch.keeping, class_id, jobs, now_ms)
        return
    queue = state.queue(class_id)
    if queue.count == 0:
        state.fresh_demand = True
    queue.push(batch_id, jobs, now_ms)


def _keep(
    state: EngineState,
    batch: BatchLife,
    keeping: Keeping,
    class_id: ClassId,
    jobs: range | list[int],
    now_ms: int,
) -> None:
    runs = [jobs] if isinstance(jobs, range) else [range(job, job + 1) for job in jobs]
    for ids in runs:
        keeping.park(class_id, Segment(batch.id, ids, now_ms))
    if keeping.hold:
        count_move(state, batch, JobState.READY, JobState.HELD, len(jobs), jobs=runs)
    else:
        let_run(state, batch, keeping)


def let_run(state: EngineState, batch: BatchLife, keeping: Keeping) -> None:
    """Queue what is parked, each job at the place that its age gives it: as many as may run beside those that are queued or run; none
    while the batch is held, all when it is cancelled or has no limit."""
    if keeping.hold or not keeping.parked:
        return
    free = None
    if keeping.parallel_max is not None and not batch.cancelled:
        counts = batch.counts
        active = counts.get(JobState.READY, 0) + counts.get(JobState.RUNNING, 0) - keeping.count
        free = keeping.parallel_max - active
    for class_id, parked in list(keeping.parked.items()):
        if free is not None and free <= 0:
            return
        taken = parked.take(free)
        free = None if free is None else free - sum(map(len, taken))
        if not parked.count:
            del keeping.parked[class_id]
        queue = state.queue(class_id)
        state.fresh_demand = state.fresh_demand or not queue.count
        queue.put_back_all(taken)


def end_job(
    state: EngineState,
    changes: Changes,
    job: JobId,
    batch: BatchLife | None,
    *,
    old: JobState,
    new: JobState,
    cause: Cause,
    attempts: int,
    failures: int,
    now_ms: int,
    ended_at_ms: int | None = None,
) -> None:
    """A job is over: record it, and let its children go on. `ended_at_ms`: when its last attempt had ended, if that is told late."""
    at_ms = now_ms if ended_at_ms is None else ended_at_ms
    changes.job_status[job] = JobStatus(job, int(new), attempts, failures, str(cause), None, at_ms)
    changes.ended_jobs.append(job)
    if state.faults:
        state.faults.pop(job, None)
    if state.retried_as:
        state.retried_as.pop(job, None)
    if new is JobState.FAILED:
        state.failed_lately.add(cause, now_ms)
    count_move(state, batch, old, new, jobs=job)
    if batch is not None and batch.outcomes is not None:
        note(batch, job, new)
    if batch is not None and batch.children:
        tell_children(state, changes, batch, job, new is JobState.SUCCEEDED, now_ms)


def tell_children(
    state: EngineState, changes: Changes, batch: BatchLife, job: JobId, succeeded: bool, now_ms: int
) -> None:
    """Count down the children; those whose last parent this was become ready or are skipped, and so on downwards."""
    ended = [(job, succeeded)]
    while ended:
        parent, good = ended.pop()
        for child in batch.children.pop(parent, ()):
            waiting = batch.waiting.get(child)
            if waiting is None:
                continue
            waiting.parents_left -= 1
            waiting.parent_failed = waiting.parent_failed or not good
            if waiting.parents_left > 0:
                continue
            if after_parents(state, changes, batch, child, now_ms):
                ended.append((child, False))


def after_parents(state: EngineState, changes: Changes, batch: BatchLife, child: JobId, now_ms: int) -> bool:
    """Its last parent has ended: it becomes ready, or is skipped. Answers whether it was skipped."""
    waiting = batch.waiting.pop(child)
    if waiting.parent_failed and not state.classes[waiting.class_id].always_run:
        _skip(state, changes, batch, child, now_ms)
        return True
    changes.job_status[child] = JobStatus(child, int(JobState.READY), 0, 0, "", now_ms, None)
    count_move(state, batch, JobState.BLOCKED, JobState.READY, jobs=child)
    make_ready(state, batch.id, waiting.class_id, [child], now_ms)
    return False


def _skip(state: EngineState, changes: Changes, batch: BatchLife, job: JobId, now_ms: int) -> None:
    changes.job_status[job] = JobStatus(job, int(JobState.SKIPPED), 0, 0, "", None, now_ms)
    changes.ended_jobs.append(job)
    count_move(state, batch, JobState.BLOCKED, JobState.SKIPPED, jobs=job)
    note(batch, job, JobState.SKIPPED)
