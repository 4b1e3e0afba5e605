"""Deadlines and queue time-outs of jobs. Called by the lifecycle loop; a deadline is a time of the clock, a time-out an age.

Both belong to the class of a job, so jobs without them cost nothing: only classes that have one are looked at (`EngineState.timed`). A
class whose deadline has passed is looked at again when a job of it becomes ready (`EngineState.overdue`).
"""

from collections.abc import Iterator
from itertools import islice

from herder.engine.attempts.attempt import cancel
from herder.engine.jobs.backoff import withdraw_delayed
from herder.engine.jobs.batch_end import after_job_end
from herder.engine.jobs.job import end_job
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso, span
from herder.model.work.job import Cause, JobClass, JobState

#: Jobs of one class that end in one step; the others with the next ones.
PIECE = 1_000
NEVER_MS = 2**63 - 1

_Waiting = tuple[JobId, BatchId | None, JobState]


def look_before_placement(state: EngineState, changes: Changes, now_ms: int) -> None:
    """No job is started after its deadline, not even in the time between two looks."""
    if now_ms >= state.next_deadline_ms:
        look(state, changes, now_ms)


def look(state: EngineState, changes: Changes, now_ms: int) -> None:
    for class_id in sorted(state.timed):
        job_class = state.classes.get(class_id)
        if job_class is None:  # forgotten: no job of it is left
            state.timed.discard(class_id)
        elif job_class.deadline_ms is not None and now_ms >= job_class.deadline_ms:
            if _end_overdue(state, changes, class_id, job_class, now_ms):
                state.timed.discard(class_id)
                state.overdue = {each for each in state.overdue if each in state.classes} | {class_id}
        elif job_class.queue_timeout_s is not None:
            _end_late(state, changes, class_id, job_class, job_class.queue_timeout_s, now_ms)
    deadlines = (state.classes[each].deadline_ms for each in state.timed)
    state.next_deadline_ms = min((each for each in deadlines if each is not None), default=NEVER_MS)


def _end_overdue(
    state: EngineState, changes: Changes, class_id: ClassId, job_class: JobClass, now_ms: int
) -> bool:
    """What runs is stopped, what waits is cancelled. Answers whether that was all."""
    for attempt in list(state.live.values()):
        if attempt.class_id == class_id:
            cancel(state, changes, attempt)
    waiting = _taken(state, class_id)
    why = f"the deadline {iso(job_class.deadline_ms or 0)} has passed"
    _end(state, changes, waiting, JobState.CANCELLED, Cause.DEADLINE, now_ms)
    for text, subject in _told(waiting, "cancelled", why):
        record_event(
            state, changes, now_ms, "job.deadline_passed", subject, text,
            owner=job_class.user, project=job_class.project,
        )  # fmt: skip
    return not waiting


def _taken(state: EngineState, class_id: ClassId) -> list[_Waiting]:
    """Up to so many jobs that wait, wherever they do; taken out from there."""
    taken: list[_Waiting] = []
    queue = state.queues.get(class_id)
    if queue is not None:
        taken = [(JobId(job), batch, JobState.READY) for batch, job, _ in queue.take(PIECE)]
    for job in [job for job, each in state.delayed.items() if each.class_id == class_id]:
        waiting = withdraw_delayed(state, job)
        assert waiting is not None, "it was found there"
        taken.append((job, waiting.batch, JobState.READY))
    for job in [job for job, held in state.held_jobs.items() if held.class_id == class_id]:
        taken.append((job, state.held_jobs.pop(job).batch, JobState.HELD))
    for batch in state.batches.values():
        if batch.state == "open":
            continue  # once it is committed: jobs that are added may still name its jobs as parents
        if batch.keeping is not None and class_id in batch.keeping.parked:
            old = JobState.HELD if batch.keeping.hold else JobState.READY
            for segment in batch.keeping.parked.pop(class_id).take(None):
                taken += [(JobId(job), batch.id, old) for _, job, _ in segment.jobs()]
        blocked = [job for job, each in batch.waiting.items() if each.class_id == class_id]
        for job in blocked:
            del batch.waiting[job]
        taken += [(job, batch.id, JobState.BLOCKED) for job in blocked]
    return taken


def _end_late(
    state: EngineState,
    changes: Changes,
    class_id: ClassId,
    job_class: JobClass,
    most_s: float,
    now_ms: int,
) -> None:
    """Jobs that wait for their first attempt since longer than they may fail."""
    queue = state.queues.get(class_id)
    if queue is None or not queue.count:
        return
    late = (
        (JobId(job), batch, JobState.READY)
        for batch, job, _ in queue.waiting_since(now_ms - int(most_s * 1000))
        if job not in state.tried_of(batch)
    )
    waiting = list(islice(late, PIECE))
    for job, _, _ in waiting:
        queue.withdraw(job)
    _end(state, changes, waiting, JobState.FAILED, Cause.QUEUE_TIMEOUT, now_ms)
    for text, subject in _told(
        waiting, "failed", f"no worker was found within {span(int(most_s * 1000))} (queue_timeout)"
    ):
        record_event(
            state, changes, now_ms, "job.queue_timed_out", subject, text,
            owner=job_class.user, project=job_class.project,
        )  # fmt: skip


def _end(
    state: EngineState, changes: Changes, waiting: list[_Waiting], new: JobState, cause: Cause, now_ms: int
) -> None:
    for job, batch_id, old in waiting:
        batch = None if batch_id is None else state.batches[batch_id]
        attempts, failures = state.tried_of(batch_id).pop(job, (0, 0))
        state.preempted_of(batch_id).pop(job, None)
        end_job(
            state, changes, job, batch,
            old=old, new=new, cause=cause, attempts=attempts, failures=failures, now_ms=now_ms,
        )  # fmt: skip
    for job, batch_id, _ in waiting:
        batch = None if batch_id is None else state.batches.get(batch_id)
        if batch is not None:
            after_job_end(state, changes, batch, job, new, now_ms)


def _told(waiting: list[_Waiting], what: str, why: str) -> Iterator[tuple[str, str]]:
    """A sentence for each job of no batch, and for each batch; with what it is about."""
    numbers: dict[BatchId, int] = {}
    for job, batch_id, _ in waiting:
        if batch_id is None:
            yield f"Job {job} {'was ' if what == 'cancelled' else ''}{what}: {why}.", f"job/{job}"
        else:
            numbers[batch_id] = numbers.get(batch_id, 0) + 1
    for batch_id, count in numbers.items():
        were = f"{agree(count, 'was', 'were')} " if what == "cancelled" else ""
        yield f"{counted(count, 'job')} of batch {batch_id} {were}{what}: {why}.", f"batch/{batch_id}"
