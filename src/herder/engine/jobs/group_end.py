"""The ends of job groups: a group has ended when none of its jobs, or of those below it, is left and none can be added.

Called once for each hand-over, before the rows are made: what happens in between (a job that fails and is retried) ends nothing. A batch
without groups costs nothing here.
"""

from herder.engine.jobs.callbacks import call_back_group
from herder.engine.memory.groups import Group
from herder.engine.memory.state import BatchLife, EngineState
from herder.model.stored.changes import Changes
from herder.model.work.job import JobState

_NOT_ENDED = tuple(each for each in JobState if not each.ended)


def end_groups(state: EngineState, changes: Changes, now_ms: int) -> None:
    for batch in state.dirty_batches.values():
        for group in () if batch.groups is None else batch.groups.dirty.values():
            if not _has_ended(batch, group):
                group.ended_at_ms = None  # its failed jobs are retried
            elif group.ended_at_ms is None:
                group.ended_at_ms = now_ms
                if group.callback:
                    call_back_group(changes, batch, group, now_ms)


def _has_ended(batch: BatchLife, group: Group) -> bool:
    if batch.state == "open" or any(group.counts.get(each) for each in _NOT_ENDED):
        return False
    return group.cancelled or batch.cancelled or not batch.accepts
