"""Submission: batches, their jobs and dependencies, the commit that starts them; jobs outside batches.

Called by `control/jobs/submitting/submission.py` with what it has validated. A refused call raises `DependencyError` before anything changed.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from herder.engine.jobs.batch_end import close_if_done
from herder.engine.jobs.groups import cancel_marked
from herder.engine.jobs.job import after_parents, count_move, make_ready, tell_children
from herder.engine.jobs.outcomes import NOT_ENDED, OTHER, outcome_of
from herder.engine.memory.events import record_event
from herder.engine.memory.keeping import Keeping
from herder.engine.memory.state import BatchLife, EngineState
from herder.engine.memory.waiting_jobs import WaitingJob
from herder.model.ids import BatchId, ClassId, JobId, UserName
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobNew, JobParent
from herder.model.values.phrases import counted
from herder.model.work.job import JobState

#: Jobs of a circle that an error names.
CIRCLE_SHOWN = 20
_BLOCKED, _READY = int(JobState.BLOCKED), int(JobState.READY)


class DependencyError(ValueError):
    """A parent that does not exist or a cycle. `index` is the job's place in the call."""

    def __init__(self, index: int, text: str) -> None:
        super().__init__(text)
        self.index = index


def create_batch(
    state: EngineState,
    *,
    user: UserName,
    project: str,
    name: str,
    attributes: str,
    cancel_after_failures: int | None,
    now_ms: int,
    parallel_max: int | None = None,
    accepts: bool = False,
    callback: str = "",
) -> BatchLife:
    batch = BatchLife(
        id=BatchId(state.next_batch),
        user=user,
        project=project,
        name=name,
        state="open",
        attributes=attributes,
        created_at_ms=now_ms,
        cancel_after_failures=cancel_after_failures,
        accepts=accepts,
        callback=callback,
        keeping=None if parallel_max is None else Keeping(parallel_max=parallel_max),
    )
    state.next_batch += 1
    state.batches[batch.id] = batch
    state.dirty_batches[batch.id] = batch
    return batch


def add_jobs(
    state: EngineState,
    changes: Changes,
    batch: BatchLife | None,
    class_ids: Sequence[ClassId],
    keys: Sequence[str | None],
    payloads: Sequence[str],
    parents: Mapping[int, Sequence[JobId]],
    now_ms: int,
) -> JobId:
    """Accept jobs; answers the first one's number, the others follow. `parents` is by place in this call (see `resolve`)."""
    first = JobId(state.next_job)
    state.next_job += len(class_ids)
    position = batch.jobs if batch is not None else 0
    batch_id = batch.id if batch is not None else None
    ready_at = now_ms if batch is None or batch.state != "open" else None
    user, project = _owner(state, batch, class_ids)
    new = changes.jobs_new
    for index, class_id in enumerate(class_ids):
        job_state = _BLOCKED if index in parents else _READY
        new.append(
            JobNew(
                first + index,
                batch_id,
                position + index,
                class_id,
                keys[index],
                payloads[index],
                now_ms,
                job_state,
                None if index in parents else ready_at,
                user,
                project,
            )
        )
    if batch is None:
        count_move(state, None, None, JobState.READY, len(class_ids), jobs=None)
        for class_id, jobs in _runs(class_ids, first, ()):
            make_ready(state, None, class_id, jobs, now_ms)
    elif batch.state == "open":
        _hold(state, changes, batch, class_ids, keys, parents, first)
    else:
        _start(state, changes, batch, class_ids, keys, parents, first, now_ms)
    return first


def _owner(state: EngineState, batch: BatchLife | None, class_ids: Sequence[ClassId]) -> tuple[str, str]:
    """Whose jobs these are: all of one call are of one user and project."""
    if batch is not None:
        return batch.user, batch.project
    first = state.classes[class_ids[0]]
    return first.user, first.project


def _hold(
    state: EngineState,
    changes: Changes,
    batch: BatchLife,
    class_ids: Sequence[ClassId],
    keys: Sequence[str | None],
    parents: Mapping[int, Sequence[JobId]],
    first: JobId,
) -> None:
    _remember(batch, class_ids, keys, first)
    runs = _runs(class_ids, first, parents)
    batch.held += runs
    _count_new(state, batch, JobState.PENDING, runs, len(class_ids), parents, first)
    for index, above in parents.items():
        child = JobId(first + index)
        batch.waiting[child] = WaitingJob(class_id=class_ids[index], parents_left=len(above))
        for parent in above:
            batch.children.setdefault(parent, []).append(child)
            changes.put(JobParent(child, parent, batch.id))


def _count_new(
    state: EngineState,
    batch: BatchLife,
    free: JobState,
    runs: Sequence[tuple[ClassId, range]],
    count: int,
    parents: Mapping[int, object],
    first: JobId,
) -> None:
    """`runs`: the jobs without parents, whose state is `free`."""
    count_move(state, batch, None, free, count - len(parents), jobs=(jobs for _, jobs in runs))
    blocked = (first + place for place in parents)
    count_move(state, batch, None, JobState.BLOCKED, len(parents), jobs=blocked)


def _remember(
    batch: BatchLife, class_ids: Sequence[ClassId], keys: Sequence[str | None], first: JobId
) -> None:
    batch.bunches.append((batch.jobs, first, len(class_ids)))
    batch.jobs += len(class_ids)
    batch.keys.update({key: JobId(first + index) for index, key in enumerate(keys) if key is not None})


def _start(
    state: EngineState,
    changes: Changes,
    batch: BatchLife,
    class_ids: Sequence[ClassId],
    keys: Sequence[str | None],
    parents: Mapping[int, Sequence[JobId]],
    first: JobId,
    now_ms: int,
) -> None:
    """Jobs of a batch that runs already. Parents of earlier calls may have ended."""
    _remember(batch, class_ids, keys, first)
    if batch.outcomes is not None:
        batch.outcomes.extend(bytes(len(class_ids)))
    runs = _runs(class_ids, first, parents)
    _count_new(state, batch, JobState.READY, runs, len(class_ids), parents, first)
    for class_id, jobs in runs:
        make_ready(state, batch.id, class_id, jobs, now_ms)
    for index, above in parents.items():
        child = JobId(first + index)
        outcomes = {parent: outcome_of(batch, parent) for parent in above}
        left = [parent for parent, outcome in outcomes.items() if outcome == NOT_ENDED]
        batch.waiting[child] = WaitingJob(
            class_id=class_ids[index], parents_left=len(left), parent_failed=OTHER in outcomes.values()
        )
        for parent in left:
            batch.children.setdefault(parent, []).append(child)
        for parent in above:
            changes.put(JobParent(child, parent, batch.id))
    for index in parents:
        child = JobId(first + index)
        waiting = batch.waiting.get(child)
        if (
            waiting is not None
            and not waiting.parents_left
            and after_parents(state, changes, batch, child, now_ms)
        ):
            tell_children(state, changes, batch, child, False, now_ms)


def _runs(
    class_ids: Sequence[ClassId], first: int, without: Mapping[int, object] | tuple[()]
) -> list[tuple[ClassId, range]]:
    """Neighbours of one class as ranges of job numbers, leaving out the places in `without`."""
    runs: list[tuple[ClassId, range]] = []
    start, current = 0, None
    for index, class_id in enumerate(class_ids):
        wanted = None if index in without else class_id
        if wanted != current:
            if current is not None:
                runs.append((current, range(first + start, first + index)))
            start, current = index, wanted
    if current is not None:
        runs.append((current, range(first + start, first + len(class_ids))))
    return runs


def commit_batch(
    state: EngineState, changes: Changes, batch: BatchLife, now_ms: int, *, actor: str | None = None
) -> None:
    """Start it. Calling it again changes nothing."""
    if batch.state != "open":
        return
    batch.state = "running"
    batch.committed_at_ms = now_ms
    count_move(
        state, batch, JobState.PENDING, JobState.READY, batch.counts.get(JobState.PENDING, 0), jobs=None
    )
    for class_id, jobs in batch.held:
        make_ready(state, batch.id, class_id, jobs, now_ms)
    batch.held.clear()
    if batch.accepts:
        batch.outcomes = bytearray(batch.jobs)
    else:
        _forget_names(batch)
    record_event(
        state,
        changes,
        now_ms,
        "batch.committed",
        f"batch/{batch.id}",
        f"Batch {batch.id} of {batch.user} was committed with {counted(batch.jobs, 'job')}.",
        actor=f"user/{batch.user}" if actor is None else actor,
        owner=batch.user,
        project=batch.project,
    )
    if batch.groups is not None:
        batch.groups.mark_all()
        cancel_marked(state, changes, batch, now_ms)
    close_if_done(state, changes, batch, now_ms)


def close_batch(state: EngineState, changes: Changes, batch: BatchLife, now_ms: int, *, actor: str) -> None:
    """No job is added from now on. Only of one that accepts jobs."""
    batch.accepts = False
    state.dirty_batches[batch.id] = batch
    if batch.groups is not None:
        batch.groups.mark_all()
    if batch.state != "open":
        _forget_names(batch)
    record_event(
        state,
        changes,
        now_ms,
        "batch.closed",
        f"batch/{batch.id}",
        f"Batch {batch.id} was closed by {actor.removeprefix('user/')} with {counted(batch.jobs, 'job')}.",
        actor=actor,
        owner=batch.user,
        project=batch.project,
    )
    close_if_done(state, changes, batch, now_ms)


def _forget_names(batch: BatchLife) -> None:
    """What is only of use to jobs that are added."""
    batch.keys.clear()
    batch.bunches.clear()
    batch.outcomes = None


def resolve(
    batch: BatchLife,
    first: int,
    count: int,
    keys: Mapping[str, int],
    references: Mapping[int, Sequence[str | int]],
) -> dict[int, list[JobId]]:
    """Keys and positions of parents to job numbers. `keys`: the call's own keys by place. Raises DependencyError.

    Parents are in the batch already or anywhere in the same call, so a cycle can only be inside the call.
    """
    resolved: dict[int, list[JobId]] = {}
    inside: dict[int, list[int]] = {}
    for index, wanted in references.items():
        above = dict.fromkeys(_parent(batch, first, count, keys, index, ref) for ref in wanted)
        resolved[index] = list(above)
        inside[index] = [parent - first for parent in above if parent >= first]
    _refuse_cycle(inside, {place: key for key, place in keys.items()})
    return resolved


def _parent(
    batch: BatchLife, first: int, count: int, keys: Mapping[str, int], index: int, reference: str | int
) -> JobId:
    if isinstance(reference, str):
        if reference in keys:
            return JobId(first + keys[reference])
        if reference in batch.keys:
            return batch.keys[reference]
        raise DependencyError(index, f"Parent {reference!r} is not a job of this batch.")
    place = reference - batch.jobs
    if 0 <= place < count:
        return JobId(first + place)
    for position, start, length in batch.bunches:
        if position <= reference < position + length:
            return JobId(start + reference - position)
    raise DependencyError(
        index, f"Parent {reference} is outside the batch, whose jobs are 0 to {batch.jobs + count - 1}."
    )


def _refuse_cycle(inside: Mapping[int, Sequence[int]], names: Mapping[int, str]) -> None:
    """Kahn's algorithm over the call's own jobs; whatever cannot be sorted lies on or behind a cycle."""
    left = {index: sum(1 for p in above if p in inside) for index, above in inside.items()}
    children: dict[int, list[int]] = {}
    for index, above in inside.items():
        for parent in above:
            children.setdefault(parent, []).append(index)
    free = deque(index for index, count in left.items() if count == 0)
    sorted_count = 0
    while free:
        sorted_count += 1
        for child in children.get(free.popleft(), ()):
            left[child] -= 1
            if left[child] == 0:
                free.append(child)
    if sorted_count == len(inside):
        return
    at = min(index for index, count in left.items() if count > 0)
    raise DependencyError(at, f"Jobs depend on each other in a cycle: {_circle(inside, left, at, names)}.")


def _circle(
    inside: Mapping[int, Sequence[int]], left: Mapping[int, int], at: int, names: Mapping[int, str]
) -> str:
    """By their keys; those without by their places in the call."""
    path = {at: 0}
    while True:
        at = next(p for p in inside[at] if left.get(p, 0) > 0)
        if at in path:
            break
        path[at] = len(path)
    circle = [names.get(place, f"job {place}") for place in (*list(path)[path[at] :], at)]
    if len(circle) > CIRCLE_SHOWN:
        return " ← ".join(circle[:CIRCLE_SHOWN]) + f" ← … ({len(circle) - 1} jobs)"
    return " ← ".join(circle)
