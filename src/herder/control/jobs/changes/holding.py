"""Holds and releases batches and single jobs, for `herder batch hold` and its like. Called by `Commands`.

Holding what is held already, and releasing what is not, changes nothing and is no error.
"""

from herder.control.access.access_check import OF_KIND, check
from herder.control.jobs.submitting.submission import job_thing, own_batch
from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.bounds.limits import check_message
from herder.control.kernel.core import Core
from herder.engine.jobs import holding
from herder.engine.jobs.next_class import class_now
from herder.engine.memory.events import record_event
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, counted, sentence
from herder.model.work.job import JobClass, JobState


def hold_batch(
    core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int, *, message: str
) -> str:
    batch = _own(core, who, batch_id, message)
    if batch.keeping is not None and batch.keeping.hold:
        return f"Batch {batch_id} is already held."
    if batch.cancelled:
        raise Conflict(f"Batch {batch_id} is being cancelled and cannot be held.")
    holding.hold_batch(core.state, changes, batch, now_ms, actor=who.actor, message=message)
    held, running = batch.counts.get(JobState.HELD, 0), batch.counts.get(JobState.RUNNING, 0)
    return f"Batch {batch_id} is held: {counted(held, 'job')} held, {running:,} still running."


def release_batch(
    core: Core, who: Principal, batch_id: int, changes: Changes, now_ms: int, *, message: str
) -> str:
    batch = _own(core, who, batch_id, message)
    if batch.keeping is None or not batch.keeping.hold:
        return f"Batch {batch_id} is not held."
    released = batch.keeping.count
    holding.release_batch(core.state, changes, batch, now_ms, actor=who.actor, message=message)
    return f"Batch {batch_id} was released, with {counted(released, 'job')} that had been held."


def _own(core: Core, who: Principal, batch_id: int, message: str) -> BatchLife:
    batch = own_batch(core, who, batch_id)
    check_message(message)
    return batch


def hold_job(
    core: Core,
    who: Principal,
    job: JobId,
    class_id: ClassId,
    batch_id: BatchId | None,
    changes: Changes,
    now_ms: int,
    *,
    message: str,
    dry_run: bool,
) -> str:
    class_id = class_now(core.state, job, class_id)
    job_class, batch = _job(core, who, job, class_id, batch_id, message)
    if job in core.state.held_jobs:
        return f"Job {job} is already held."
    if dry_run:
        if not holding.can_hold(core.state, job, class_id, batch):
            raise _not_ready(core, job, batch)
        return f"Job {job} would be held: it would not start until it is released."
    if not holding.hold_job(core.state, changes, job, class_id, batch):
        raise _not_ready(core, job, batch)
    text = f"Job {job} was held."
    _record(core, changes, who, job, job_class, "job.held", text, now_ms, message)
    return text


def release_job(
    core: Core,
    who: Principal,
    job: JobId,
    class_id: ClassId,
    batch_id: BatchId | None,
    changes: Changes,
    now_ms: int,
    *,
    message: str,
    dry_run: bool,
) -> str:
    job_class, batch = _job(core, who, job, class_id, batch_id, message)
    if dry_run and job in core.state.held_jobs:
        return f"Job {job} would be released: it would start when it is its turn."
    if dry_run or not holding.release_job(core.state, changes, job, batch):
        if batch is not None and holding.is_held(core.state, batch.id):
            raise Conflict(
                f"Job {job} is not held by itself; its batch {batch.id} is.",
                hint=f"Release the batch with `herder batch release {batch.id}`.",
            )
        return f"Job {job} is not held."
    text = f"Job {job} was released."
    _record(core, changes, who, job, job_class, "job.released", text, now_ms, message)
    return text


def _job(
    core: Core, who: Principal, job: JobId, class_id: ClassId, batch_id: BatchId | None, message: str
) -> tuple[JobClass, BatchLife | None]:
    """Raises Refused; Conflict for one that has ended."""
    check(who, Action.CHANGE, OF_KIND[Kind.JOB])
    check_message(message)
    job_class = core.state.classes.get(class_id)
    batch = core.state.batches.get(batch_id) if batch_id is not None else None
    if job_class is None or (batch is None and batch_id is not None):
        raise Conflict(f"Job {job} has already ended.")
    check(who, Action.CHANGE, job_thing(job, job_class.user, job_class.project))
    return job_class, batch


def _not_ready(core: Core, job: JobId, batch: BatchLife | None) -> Conflict:
    """Why a job cannot be held."""
    attempt = core.state.live.get(job)
    if attempt is not None:
        return Conflict(
            f"Job {job} is running on {attempt.worker}, so it cannot be held.",
            hint=f"Cancel it with `herder job cancel {job}`.",
        )
    if batch is not None and (batch.state == "open" or job in batch.waiting):
        why = f"batch {batch.id} is not committed" if batch.state == "open" else "it waits for its parents"
        return Conflict(
            f"Job {job} cannot be held by itself, because {why}.",
            hint=f"Hold the whole batch with `herder batch hold {batch.id}`.",
        )
    return Conflict(f"Job {job} has already ended.")


def _record(
    core: Core,
    changes: Changes,
    who: Principal,
    job: JobId,
    job_class: JobClass,
    kind: str,
    text: str,
    now_ms: int,
    message: str,
) -> None:
    record_event(
        core.state,
        changes,
        now_ms,
        kind,
        f"job/{job}",
        sentence(f"{clause(text)}: {message}") if message else text,
        actor=who.actor,
        owner=job_class.user,
        project=job_class.project,
    )
