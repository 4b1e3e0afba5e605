"""The invariants of job groups in memory: their counts, counted again from where the jobs are. Called by `invariants.py`."""

from collections import Counter
from collections.abc import Iterator

from herder.engine.memory.groups import Groups
from herder.engine.memory.keeping import Keeping
from herder.engine.memory.state import BatchLife, EngineState
from herder.model.ids import ClassId
from herder.model.work.job import JobState

_Counts = dict[str, Counter[int]]


def group_violations(state: EngineState) -> Iterator[str]:
    """Costs a step for each job of a batch with groups that has not ended."""
    for batch in state.batches.values():
        if batch.groups is None:
            continue
        found: _Counts = {path: Counter() for path in batch.groups.by_path}
        for class_id, job, now in _jobs(state, batch):
            group = batch.groups.of(job)
            stopped = group is not None and group.cancelled and batch.state != "open"
            if stopped and now is not JobState.RUNNING and not state.classes[class_id].always_run:
                yield f"batch {batch.id}: group {group.path if group else ''} was cancelled, and its job {job} is {now.label}"
            while group is not None:
                found[group.path][now] += 1
                group = group.above
        yield from _differences(batch, batch.groups, found)


def _differences(batch: BatchLife, groups: Groups, found: _Counts) -> Iterator[str]:
    for path, group in groups.by_path.items():
        said = {now: count for now, count in group.counts.items() if count and not JobState(now).ended}
        if said != found[path]:
            yield f"batch {batch.id}: group {path} counts {said} jobs that have not ended, in fact it is {dict(found[path])}"
        if sum(group.counts.values()) != group.jobs:
            yield f"batch {batch.id}: counts {group.counts} of group {path} do not sum to its {group.jobs} jobs"


def _jobs(state: EngineState, batch: BatchLife) -> Iterator[tuple[ClassId, int, JobState]]:
    """Those that have not ended."""
    for class_id, ids in batch.held:
        yield from ((class_id, job, JobState.PENDING) for job in ids)
    for job, waiting in batch.waiting.items():
        yield waiting.class_id, job, JobState.BLOCKED
    for class_id, queue in state.queues.items():
        yield from ((class_id, job, JobState.READY) for job in queue.of_batch(batch.id))
    places = (
        (JobState.READY, state.delayed),
        (JobState.HELD, state.held_jobs),
        (JobState.RUNNING, state.live),
    )
    for now, place in places:
        yield from ((each.class_id, job, now) for job, each in place.items() if each.batch == batch.id)
    if batch.keeping is not None:
        yield from _kept(batch.keeping)


def _kept(keeping: Keeping) -> Iterator[tuple[ClassId, int, JobState]]:
    now = JobState.HELD if keeping.hold else JobState.READY
    for class_id, parked in keeping.parked.items():
        for segment in parked.segments:
            yield from ((class_id, job, now) for _, job, _ in segment.jobs())
