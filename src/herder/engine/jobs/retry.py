"""Tries the failed jobs of a batch again, and those that were skipped because of them.

Called by `control/jobs/changes/retrying.py` with rows of the store: jobs that have ended are not in memory. Their attempts stay, and the next one has
the next number. A batch that had ended goes on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from herder.engine.jobs.job import count_move, make_ready
from herder.engine.jobs.outcomes import note
from herder.engine.memory.events import record_event
from herder.engine.memory.state import BatchLife, EngineState
from herder.engine.memory.waiting_jobs import WaitingJob
from herder.model.ids import ClassId, JobId
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobStatus
from herder.model.values.phrases import counted
from herder.model.work.job import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """One that failed or was skipped."""

    job: JobId
    class_id: ClassId
    attempts: int


def revived(
    failed: Collection[JobId], parents: Mapping[JobId, Mapping[JobId, JobState]]
) -> dict[JobId, list[JobId]]:
    """Which skipped jobs are tried again when the failed ones are: those of which each parent has succeeded, or is tried again too. With
    the parents that each waits for. `parents`: of each skipped job, with their states."""
    again = set(parents)
    above = {
        child: [parent for parent, state in each.items() if state is not JobState.SUCCEEDED]
        for child, each in parents.items()
    }
    below: dict[JobId, list[JobId]] = {}
    lost = []
    for child, each in above.items():
        for parent in each:
            below.setdefault(parent, []).append(child)
        if any(parent not in failed and parent not in again for parent in each):
            lost.append(child)
            again.discard(child)
    while lost:
        for child in below.get(lost.pop(), ()):
            if child in again:
                again.discard(child)
                lost.append(child)
    return {child: above[child] for child in parents if child in again}


def retry(
    state: EngineState,
    changes: Changes,
    batch: BatchLife,
    failed: Sequence[EndedJob],
    skipped: Sequence[tuple[EndedJob, Sequence[JobId]]],
    now_ms: int,
    *,
    actor: str,
) -> None:
    """`skipped`: with the parents that they wait for (see `revived`). The batch has begun, and is not being cancelled; one that had ended is
    in memory again."""
    if batch.ended_at_ms is not None:
        batch.state, batch.ended_at_ms = "running", None
        state.batches[batch.id] = batch
        state.dirty_batches[batch.id] = batch
    ready: dict[ClassId, list[int]] = {}
    for each in failed:
        batch.tried[each.job] = (each.attempts, 0)
        _ready(state, changes, batch, each, JobState.FAILED, now_ms)
        ready.setdefault(each.class_id, []).append(each.job)
    for each, above in skipped:
        if not above:
            _ready(state, changes, batch, each, JobState.SKIPPED, now_ms)
            ready.setdefault(each.class_id, []).append(each.job)
            continue
        changes.job_status[each.job] = JobStatus(
            each.job, int(JobState.BLOCKED), each.attempts, 0, "", None, None
        )
        count_move(state, batch, JobState.SKIPPED, JobState.BLOCKED, jobs=each.job)
        note(batch, each.job, JobState.BLOCKED)
        batch.waiting[each.job] = WaitingJob(class_id=each.class_id, parents_left=len(above))
        for parent in above:
            batch.children.setdefault(parent, []).append(each.job)
    for class_id, jobs in ready.items():
        make_ready(state, batch.id, class_id, jobs, now_ms)
    state.retries += 1
    by = actor.removeprefix("user/")
    record_event(
        state,
        changes,
        now_ms,
        "batch.retried",
        f"batch/{batch.id}",
        f"{counted(len(failed), 'failed job')} and {counted(len(skipped), 'skipped job')} of batch {batch.id} were retried by {by}.",
        actor=actor,
        owner=batch.user,
        project=batch.project,
    )


def _ready(
    state: EngineState, changes: Changes, batch: BatchLife, each: EndedJob, old: JobState, now_ms: int
) -> None:
    changes.job_status[each.job] = JobStatus(
        each.job, int(JobState.READY), each.attempts, 0, "", now_ms, None
    )
    count_move(state, batch, old, JobState.READY, jobs=each.job)
    note(batch, each.job, JobState.READY)
