"""The end of a batch: when its last job has ended, or when it is cancelled, by a user or after too many failures."""

from itertools import chain

from herder.engine.jobs.backoff import withdraw_delayed_batch
from herder.engine.jobs.callbacks import call_back
from herder.engine.jobs.groups import cancel_after_failures
from herder.engine.jobs.job import count_move, let_run, tell_children
from herder.engine.memory.events import record_event
from herder.engine.memory.groups import runs_of
from herder.engine.memory.state import BatchLife, EngineState
from herder.model.ids import JobId
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobStatus
from herder.model.values.phrases import counted, sentence
from herder.model.work.job import JobState

_ENDED = {"succeeded": "succeeded", "failed": "failed", "cancelled": "was cancelled"}


def after_job_end(
    state: EngineState, changes: Changes, batch: BatchLife, job: JobId, new: JobState, now_ms: int
) -> None:
    """Called after each job that ended: the failure limits, and the end of the whole."""
    limit = batch.cancel_after_failures
    failed = limit is not None and new is JobState.FAILED and batch.counts.get(JobState.FAILED, 0) >= limit
    if failed and not batch.cancelled:
        cancel_batch(
            state,
            changes,
            batch,
            now_ms,
            actor="herder",
            why=f"{counted(limit or 0, 'job')} failed (cancel_after_failures)",
        )
        return
    if batch.groups is not None and new is JobState.FAILED and not batch.cancelled:
        cancel_after_failures(state, changes, batch, job, now_ms)
    close_if_done(state, changes, batch, now_ms)


def close_if_done(state: EngineState, changes: Changes, batch: BatchLife, now_ms: int) -> None:
    if batch.keeping is not None:
        let_run(state, batch, batch.keeping)
    counts = batch.counts
    if counts.get(JobState.RUNNING) or counts.get(JobState.READY) or counts.get(JobState.BLOCKED):
        return
    if batch.state != "running" or counts.get(JobState.PENDING) or counts.get(JobState.HELD):
        return
    if batch.accepts and not batch.cancelled:
        return
    failed = counts.get(JobState.FAILED, 0) + counts.get(JobState.SKIPPED, 0)
    batch.state = "cancelled" if batch.cancelled else "failed" if failed else "succeeded"
    batch.ended_at_ms = now_ms
    state.dirty_batches[batch.id] = batch
    del state.batches[batch.id]
    record_event(
        state,
        changes,
        now_ms,
        "batch.ended",
        f"batch/{batch.id}",
        f"Batch {batch.id} {_ENDED[batch.state]}: {counts.get(JobState.SUCCEEDED, 0)} of {batch.jobs} jobs succeeded.",
        owner=batch.user,
        project=batch.project,
    )
    if batch.callback:
        call_back(changes, batch, now_ms)


def cancel_batch(
    state: EngineState, changes: Changes, batch: BatchLife, now_ms: int, *, actor: str, why: str
) -> None:
    """Cancel what has not ended, but for `always_run` jobs.

    Queued jobs go in one step a queue, and `changes.sweeps` asks the store to write their rows out in the background.
    """
    batch.cancelled, batch.accepts = True, False
    if batch.groups is not None:
        batch.groups.mark_all()
    by = "" if actor == "herder" else f" by {actor.removeprefix('user/')}"
    _let_go(state, changes, batch)
    delayed = withdraw_delayed_batch(state, batch.id)
    queued = []
    for class_id, queue in state.queues.items():
        if not state.classes[class_id].always_run:
            queued += queue.take_batch(batch.id)
    withdrawn = len(delayed) + sum(map(len, queued))
    count_move(
        state,
        batch,
        JobState.READY,
        JobState.CANCELLED,
        withdrawn,
        jobs=chain(delayed, runs_of(queued)),
    )
    _cancel_held(state, batch)
    for attempt in list(state.live.values()):
        if attempt.batch == batch.id and not state.classes[attempt.class_id].always_run:
            attempt.cancelling = True
            state.workers[attempt.worker].cancels.add((attempt.job, attempt.number))
            changes.wake.add(attempt.worker)
    _cancel_waiting(state, changes, batch, now_ms)
    changes.sweeps[batch.id] = now_ms
    record_event(
        state,
        changes,
        now_ms,
        "batch.cancelled",
        f"batch/{batch.id}",
        sentence(f"Batch {batch.id} was cancelled{by}" + (f": {why}" if why else "")),
        actor=actor,
        owner=batch.user,
        project=batch.project,
    )
    close_if_done(state, changes, batch, now_ms)


def _let_go(state: EngineState, changes: Changes, batch: BatchLife) -> None:
    """Nothing is held any more: what is not cancelled below goes on."""
    keeping = batch.keeping
    if keeping is not None:
        released = list(keeping.segments) if keeping.hold else []
        count_move(
            state, batch, JobState.HELD, JobState.READY, sum(map(len, released)), jobs=runs_of(released)
        )
        keeping.hold = False
        let_run(state, batch, keeping)
        if keeping.parallel_max is None:
            batch.keeping = None
    for job in [job for job, each in state.held_jobs.items() if each.batch == batch.id]:
        held = state.held_jobs.pop(job)
        if state.classes[held.class_id].always_run:
            attempts, failures = batch.tried.get(job, (0, 0))
            changes.job_status[job] = JobStatus(job, int(JobState.READY), attempts, failures, "", None, None)
            count_move(state, batch, JobState.HELD, JobState.READY, jobs=job)
            state.queue(held.class_id).put_back(batch.id, job, held.ready_at_ms)
            state.fresh_demand = True
        else:
            count_move(state, batch, JobState.HELD, JobState.CANCELLED, jobs=job)


def _cancel_held(state: EngineState, batch: BatchLife) -> None:
    """Of a batch that was never committed nothing runs, not even `always_run` jobs."""
    if batch.state != "open":
        return
    pending = batch.counts.get(JobState.PENDING, 0)
    count_move(state, batch, JobState.PENDING, JobState.CANCELLED, pending, jobs=None)
    count_move(state, batch, JobState.BLOCKED, JobState.CANCELLED, len(batch.waiting), jobs=None)
    batch.held.clear()
    batch.waiting.clear()
    batch.children.clear()
    batch.state = "running"


def _cancel_waiting(state: EngineState, changes: Changes, batch: BatchLife, now_ms: int) -> None:
    """Drop the jobs that wait for parents; `always_run` ones among them go on without the parents that are gone."""
    dropped = [j for j, waiting in batch.waiting.items() if not state.classes[waiting.class_id].always_run]
    for job in dropped:
        del batch.waiting[job]
    count_move(state, batch, JobState.BLOCKED, JobState.CANCELLED, len(dropped), jobs=dropped)
    if not batch.waiting:
        batch.children.clear()
        return
    queued = [queue for class_id, queue in state.queues.items() if state.classes[class_id].always_run]
    for parent in list(batch.children):
        still = parent in state.live or parent in batch.waiting or parent in state.delayed
        still = still or any(parent in queue for queue in queued)
        if not still:
            tell_children(state, changes, batch, parent, False, now_ms)
