"""Makes job groups, and cancels them: the jobs of a group and those of the groups below that have not ended, but for `always_run` ones.

Called by `control/jobs/changes/groups.py`, by `batch_end.py` when too many jobs of a group have failed, and by `batch.py`. As with a batch, queued jobs
go in one step a range, and `changes.sweeps` asks the store to write their rows out in the background. Jobs of other groups that depend on a
cancelled one are skipped. The caller ends the batch when nothing is left of it (`close_if_done`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from herder.engine.jobs.backoff import withdraw_delayed_batch
from herder.engine.jobs.job import count_move, tell_children
from herder.engine.jobs.outcomes import note
from herder.engine.memory.events import record_event
from herder.engine.memory.groups import Group, Groups, downwards, runs_of
from herder.engine.memory.state import BatchLife, EngineState
from herder.model.ids import JobId
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobRangeRecord
from herder.model.values.phrases import counted, sentence
from herder.model.work.job import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """Jobs of one call that follow one another and have the same group and attributes. `place`: of the first in the call."""

    place: int
    count: int
    group: str = ""
    """Its path; empty: of none."""
    attributes: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    path: str
    attributes: str = "{}"
    cancel_after_failures: int | None = None
    callback: str = ""


def mark_jobs(
    state: EngineState,
    changes: Changes,
    batch: BatchLife | None,
    groups: Sequence[NewGroup],
    runs: Sequence[JobRun],
) -> None:
    """Make groups, and say what the next jobs are, which are added after this. Those above a group, and those that jobs name, are made
    when there are none. `runs`: in the order of their places."""
    if batch is not None and batch.groups is None and (groups or any(run.group for run in runs)):
        batch.groups = Groups()
    book = None if batch is None else batch.groups
    if book is not None:
        for each in groups:
            book.make(
                each.path,
                attributes=each.attributes,
                cancel_after_failures=each.cancel_after_failures,
                callback=each.callback,
            )
    for run in runs:
        first, number = state.next_job + run.place, None
        if book is not None and run.group:
            if run.group not in book.by_path:
                book.make(run.group)
            group = book.by_path[run.group]
            book.add(first, run.count, group)
            number = group.number
        number_of_batch = None if batch is None else batch.id
        changes.put(JobRangeRecord(first, run.count, number_of_batch, number, run.attributes))
    if batch is not None and book is not None:
        state.dirty_batches[batch.id] = batch


def cancel_group(
    state: EngineState,
    changes: Changes,
    batch: BatchLife,
    group: Group,
    now_ms: int,
    *,
    actor: str,
    why: str,
) -> None:
    """Not of a cancelled batch, nor of a cancelled group. In a batch that is not committed its jobs are cancelled at the commit."""
    groups = batch.groups
    if groups is None:
        raise AssertionError(f"batch {batch.id} has no groups")
    for each in downwards(group):
        each.cancelled = True
        groups.dirty[each.number] = each
    state.dirty_batches[batch.id] = batch
    by = "" if actor == "herder" else f" by {actor.removeprefix('user/')}"
    record_event(
        state,
        changes,
        now_ms,
        "batch.group_cancelled",
        f"batch/{batch.id}",
        sentence(f"Group {group.path} of batch {batch.id} was cancelled{by}" + (f": {why}" if why else "")),
        actor=actor,
        data={"group": group.path},
        owner=batch.user,
        project=batch.project,
    )
    if batch.state != "open":
        _stop(state, changes, batch, group, now_ms)


def cancel_marked(state: EngineState, changes: Changes, batch: BatchLife, now_ms: int) -> None:
    """At the commit: groups that were cancelled before."""
    for group in () if batch.groups is None else batch.groups.by_path.values():
        if group.cancelled and (group.above is None or not group.above.cancelled):
            _stop(state, changes, batch, group, now_ms)


def cancel_after_failures(
    state: EngineState, changes: Changes, batch: BatchLife, job: JobId, now_ms: int
) -> None:
    """A job has failed: of its group and those above, the highest with too many failures is cancelled."""
    group = None if batch.groups is None else batch.groups.of(job)
    found = None
    while group is not None:
        limit = group.cancel_after_failures
        if limit is not None and group.counts.get(JobState.FAILED, 0) >= limit and not group.cancelled:
            found = group
        group = group.above
    if found is not None:
        why = f"{counted(found.cancel_after_failures or 0, 'job')} failed (cancel_after_failures)"
        cancel_group(state, changes, batch, found, now_ms, actor="herder", why=why)


def withdraws(batch: BatchLife, job: int) -> bool:
    """Whether a job was cancelled with its batch or its group, if it had not ended and is not to run always."""
    if batch.cancelled or batch.groups is None:
        return batch.cancelled
    group = batch.groups.of(job)
    return group is not None and group.cancelled and batch.state != "open"


def _stop(state: EngineState, changes: Changes, batch: BatchLife, group: Group, now_ms: int) -> None:
    groups = batch.groups
    assert groups is not None
    inside = groups.within(group)
    ready, held = _withdraw(state, batch, group, inside)
    _count_gone(state, batch, JobState.READY, ready)
    _count_gone(state, batch, JobState.HELD, held)
    for attempt in list(state.live.values()):
        if attempt.batch != batch.id or state.classes[attempt.class_id].always_run:
            continue
        if inside(attempt.job):
            attempt.cancelling = True
            state.workers[attempt.worker].cancels.add((attempt.job, attempt.number))
            changes.wake.add(attempt.worker)
    dropped = [
        job
        for job, waiting in batch.waiting.items()
        if inside(job) and not state.classes[waiting.class_id].always_run
    ]
    for job in dropped:
        del batch.waiting[job]
    _count_gone(state, batch, JobState.BLOCKED, dropped)
    for gone in _each(chain(ready, held, dropped)) if batch.outcomes is not None else ():
        note(batch, JobId(gone), JobState.CANCELLED)
    for parent in list(batch.children):
        if inside(parent) and not goes_on(state, batch, parent):
            tell_children(state, changes, batch, parent, False, now_ms)
    changes.sweeps[batch.id] = now_ms


def _withdraw(
    state: EngineState, batch: BatchLife, group: Group, inside: Callable[[int], bool]
) -> tuple[list[int | range], list[int | range]]:
    """Take out what waits to run; answers what was counted as ready, and what was held."""
    assert batch.groups is not None
    part, classes = batch.groups.part(group), state.classes
    ready: list[int | range] = list(withdraw_delayed_batch(state, batch.id, inside))
    held: list[int | range] = []
    for class_id, queue in state.queues.items():
        if not classes[class_id].always_run and queue.count:
            ready += runs_of(queue.take_batch(batch.id, part))
    keeping = batch.keeping
    for class_id in [] if keeping is None else list(keeping.parked):
        if keeping is not None and not classes[class_id].always_run:
            (held if keeping.hold else ready).extend(runs_of(keeping.take_part(class_id, part)))
    for job, each in list(state.held_jobs.items()):
        if each.batch == batch.id and inside(job) and not classes[each.class_id].always_run:
            del state.held_jobs[job]
            held.append(job)
    return ready, held


def _count_gone(state: EngineState, batch: BatchLife, old: JobState, gone: Sequence[int | range]) -> None:
    count = sum(1 if isinstance(each, int) else len(each) for each in gone)
    if count:
        count_move(state, batch, old, JobState.CANCELLED, count, jobs=gone)


def _each(runs: Iterable[int | range]) -> Iterator[int]:
    for each in runs:
        yield from (each,) if isinstance(each, int) else each


def goes_on(state: EngineState, batch: BatchLife, job: JobId) -> bool:
    """Of a job of which the batch, or the group, was cancelled: whether its end is still to come."""
    known = job in state.live or job in batch.waiting or job in state.delayed or job in state.held_jobs
    if known:
        return True
    if batch.keeping is not None and any(job in parked for parked in batch.keeping.parked.values()):
        return True
    queues = (queue for class_id, queue in state.queues.items() if state.classes[class_id].always_run)
    return any(job in queue for queue in queues)
