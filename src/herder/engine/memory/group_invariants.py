"""The invariants of job groups in memory: their counts, counted again from where the jobs are. Called by `invariants.py`."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping

from herder.engine.memory.groups import Groups
from herder.engine.memory.keeping import HeldJob, Keeping
from herder.engine.memory.state import BatchLife, EngineState, LiveAttempt
from herder.engine.memory.waiting_jobs import DelayedJob
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.work.job import JobState

_Counts = dict[str, Counter[int]]


def group_violations(state: EngineState) -> Iterator[str]:
    """Costs a step for each job that has not ended, if there are groups."""
    grouped = {number: batch for number, batch in state.batches.items() if batch.groups is not None}
    if not grouped:
        return
    found: dict[BatchId, _Counts] = {number: {} for number in grouped}
    for number, class_id, job, now in _jobs(state, grouped):
        if number is None:
            continue
        batch = grouped[number]
        group = None if batch.groups is None else batch.groups.of(job)
        stopped = group is not None and group.cancelled and batch.state != "open"
        if stopped and now is not JobState.RUNNING and not state.classes[class_id].always_run:
            yield f"batch {number}: group {group.path if group else ''} was cancelled, and its job {job} is {now.label}"
        while group is not None:
            found[number].setdefault(group.path, Counter())[now] += 1
            group = group.above
    for number, batch in grouped.items():
        if batch.groups is not None:
            yield from _differences(batch, batch.groups, found[number])


def _differences(batch: BatchLife, groups: Groups, found: _Counts) -> Iterator[str]:
    for path, group in groups.by_path.items():
        said = {now: count for now, count in group.counts.items() if count and not JobState(now).ended}
        if said != found.get(path, {}):
            yield f"batch {batch.id}: group {path} counts {said} jobs that have not ended, in fact it is {dict(found.get(path, {}))}"
        if sum(group.counts.values()) != group.jobs:
            yield f"batch {batch.id}: counts {group.counts} of group {path} do not sum to its {group.jobs} jobs"


def _jobs(
    state: EngineState, grouped: Mapping[BatchId, BatchLife]
) -> Iterator[tuple[BatchId | None, ClassId, int, JobState]]:
    """Those of these batches that have not ended."""
    for number, batch in grouped.items():
        for class_id, ids in batch.held:
            yield from ((number, class_id, job, JobState.PENDING) for job in ids)
        for job, waiting in batch.waiting.items():
            yield number, waiting.class_id, job, JobState.BLOCKED
        if batch.keeping is not None:
            yield from ((number, *each) for each in _kept(batch.keeping))
    for class_id, queue in state.queues.items():
        yield from ((of, class_id, job, JobState.READY) for of, job in queue.jobs() if of in grouped)
    yield from _single(state, grouped)


def _single(
    state: EngineState, grouped: Container[BatchId | None]
) -> Iterator[tuple[BatchId | None, ClassId, int, JobState]]:
    places: tuple[tuple[JobState, Mapping[JobId, DelayedJob | HeldJob | LiveAttempt]], ...] = (
        (JobState.READY, state.delayed),
        (JobState.HELD, state.held_jobs),
        (JobState.RUNNING, state.live),
    )
    for now, place in places:
        yield from (
            (each.batch, each.class_id, job, now) for job, each in place.items() if each.batch in grouped
        )


def _kept(keeping: Keeping) -> Iterator[tuple[ClassId, int, JobState]]:
    now = JobState.HELD if keeping.hold else JobState.READY
    for class_id, parked in keeping.parked.items():
        for segment in parked.segments:
            yield from ((class_id, job, now) for _, job, _ in segment.jobs())
