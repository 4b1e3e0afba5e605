"""How the jobs of a batch have ended that runs and still accepts jobs: a job that is added may name any of them as its parent.

Used by `batch.py`, `job.py`, `retry.py` and at a start. One byte for each job; other batches remember nothing of jobs that have ended.
"""

from bisect import bisect_right
from operator import itemgetter

from herder.engine.memory.state import BatchLife
from herder.model.ids import JobId
from herder.model.work.job import JobState

NOT_ENDED, SUCCEEDED, OTHER = 0, 1, 2
_first_job = itemgetter(1)


def note(batch: BatchLife, job: JobId, state: JobState) -> None:
    """Also of one that is tried again."""
    if batch.outcomes is not None:
        outcome = SUCCEEDED if state is JobState.SUCCEEDED else OTHER
        batch.outcomes[_position(batch, job)] = outcome if state.ended else NOT_ENDED


def outcome_of(batch: BatchLife, job: JobId) -> int:
    return NOT_ENDED if batch.outcomes is None else batch.outcomes[_position(batch, job)]


def _position(batch: BatchLife, job: JobId) -> int:
    position, first, _ = batch.bunches[bisect_right(batch.bunches, job, key=_first_job) - 1]
    return position + job - first
