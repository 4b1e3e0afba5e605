"""Cancels single jobs in any state: running, queued, delayed, or waiting for parents.

Called by `Commands` for one job, and for the jobs of a user who is deleted; whole batches are cancelled in `submission`. A dry run only
says what would happen.
"""

from collections.abc import Callable
from dataclasses import dataclass

from herder.control.access.access_check import OF_KIND, check
from herder.control.jobs.submitting.submission import job_thing
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.engine.attempts.attempt import cancel as cancel_attempt
from herder.engine.jobs.batch_end import close_if_done
from herder.engine.jobs.holding import is_kept, withdraw_ready
from herder.engine.jobs.job import end_job
from herder.engine.jobs.next_class import class_now
from herder.engine.memory.events import record_event
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, sentence
from herder.model.work.job import Cause, JobState

#: Single jobs that are cancelled in one call with their user: each is found in its queue by going through it.
SINGLE_JOBS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cancellation:
    """What happens, what would happen in a dry run, and how to make it happen."""

    text: str
    would: str
    do: Callable[[Changes, str], None]


def cancel_job(
    core: Core,
    who: Principal,
    job: JobId,
    class_id: ClassId,
    batch_id: BatchId | None,
    changes: Changes,
    now_ms: int,
    *,
    message: str = "",
    dry_run: bool = False,
) -> str:
    """Cancel one job wherever it is. `class_id` and `batch_id` are from its row."""
    check(who, Action.CHANGE, OF_KIND[Kind.JOB])
    check_message(message)
    class_id = class_now(core.state, job, class_id)
    job_class = core.state.classes.get(class_id)
    if job_class is None:  # forgotten: no job of it is left that has not ended
        return f"Job {job} has already ended."
    check(who, Action.CHANGE, job_thing(job, job_class.user, job_class.project))
    batch = core.state.batches.get(batch_id) if batch_id is not None else None
    step = _how(core, job, class_id, batch, now_ms)
    if step is None:
        return f"Job {job} has already ended."
    if dry_run:
        return step.would
    step.do(changes, who.actor)
    record_event(
        core.state,
        changes,
        now_ms,
        "job.cancelled",
        f"job/{job}",
        sentence(f"{clause(step.text)}: {message}") if message else step.text,
        actor=who.actor,
        owner=job_class.user,
        project=job_class.project,
    )
    return step.text


def _how(
    core: Core, job: JobId, class_id: ClassId, batch: BatchLife | None, now_ms: int
) -> _Cancellation | None:
    """How a job is cancelled where it is now; None when it has ended. Raises Conflict."""
    state = core.state
    attempt = state.live.get(job)
    if attempt is not None:
        return _Cancellation(
            text=f"Job {job} is being stopped on {attempt.worker}.",
            would=f"Job {job} would be stopped on {attempt.worker}.",
            do=lambda changes, actor: cancel_attempt(state, changes, attempt),
        )
    if job in state.delayed or job in state.queue(class_id) or is_kept(state, job, class_id, batch):

        def withdraw(changes: Changes, actor: str) -> None:
            held = state.held_jobs.pop(job, None)
            found = None if held else withdraw_ready(state, job, class_id, batch)
            old = JobState.HELD if found is None else found[0]
            attempts, failures = state.tried_of(batch.id if batch else None).pop(job, (0, 0))
            state.preempted_of(batch.id if batch else None).pop(job, None)
            _end(core, changes, job, batch, old, attempts, failures, now_ms)

        return _Cancellation(
            text=f"Job {job} was cancelled before it started.",
            would=f"Job {job} would be cancelled before it starts.",
            do=withdraw,
        )
    if batch is not None and batch.state == "open":
        # Jobs that are added later may still name it as their parent, and would wait for an end that has been.
        raise Conflict(
            f"Batch {batch.id} is not committed, so its jobs cannot be cancelled one by one.",
            hint=f"Cancel the whole batch with `herder batch cancel {batch.id}`.",
        )
    if batch is None or job not in batch.waiting:
        return None

    def leave(changes: Changes, actor: str) -> None:
        del batch.waiting[job]
        _end(core, changes, job, batch, JobState.BLOCKED, 0, 0, now_ms)

    return _Cancellation(
        text=f"Job {job} was cancelled while it waited for its parents.",
        would=f"Job {job} would be cancelled while it waits for its parents.",
        do=leave,
    )


def cancel_single_jobs(
    core: Core, who: Principal, user: str, changes: Changes, now_ms: int, *, dry_run: bool
) -> int:
    """Jobs of no batch of one user; answers how many. At most `SINGLE_JOBS_MAX` in one call."""
    state = core.state
    running = [a for a in state.live.values() if a.batch is None and state.classes[a.class_id].user == user]
    queued = [
        (JobId(job), class_id)
        for class_id, queue in state.queues.items()
        if state.classes[class_id].user == user
        for job in queue.of_no_batch(SINGLE_JOBS_MAX)
    ]
    jobs = [*((a.job, a.class_id) for a in running), *queued][:SINGLE_JOBS_MAX]
    if not dry_run:
        why = f"user {user} was deleted"
        for job, class_id in jobs:
            cancel_job(core, who, job, class_id, None, changes, now_ms, message=why)
    return len(jobs)


def _end(
    core: Core,
    changes: Changes,
    job: JobId,
    batch: BatchLife | None,
    old: JobState,
    attempts: int,
    failures: int,
    now_ms: int,
) -> None:
    end_job(
        core.state,
        changes,
        job,
        batch,
        old=old,
        new=JobState.CANCELLED,
        cause=Cause.CANCELLED,
        attempts=attempts,
        failures=failures,
        now_ms=now_ms,
    )
    if batch is not None:
        close_if_done(core.state, changes, batch, now_ms)
