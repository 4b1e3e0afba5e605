"""Which states a job can have after which: the state machine as data.

Nothing in the engine asks it. The random runs of `tests/engine/test_any_order.py` check each move of `count_move` against it, and the
documentation reads it. Attempts have a simpler life: assigned, running, then one end.
"""

from herder.model.work.job import JobState

_S = JobState

#: (before, after, when); before None: the job is new.
MOVES: tuple[tuple[JobState | None, JobState, str], ...] = (
    (None, _S.PENDING, "Submitted in a batch that is not committed yet."),
    (None, _S.BLOCKED, "Submitted with parents."),
    (None, _S.READY, "Submitted without a batch."),
    (_S.PENDING, _S.READY, "The batch is committed."),
    (_S.PENDING, _S.CANCELLED, "The batch is cancelled."),
    (_S.BLOCKED, _S.READY, "The last parent has ended."),
    (_S.BLOCKED, _S.SKIPPED, "A parent did not succeed."),
    (_S.BLOCKED, _S.CANCELLED, "The job, its group or its batch is cancelled, or its deadline has passed."),
    (_S.READY, _S.RUNNING, "An attempt is assigned to a worker."),
    (_S.READY, _S.CANCELLED, "The job, its group or its batch is cancelled, or its deadline has passed."),
    (_S.READY, _S.FAILED, "It has waited too long for its first attempt (`queue_timeout`)."),
    (_S.READY, _S.HELD, "The job or its batch is held."),
    (_S.HELD, _S.READY, "It is released."),
    (_S.HELD, _S.CANCELLED, "The job, its group or its batch is cancelled, or its deadline has passed."),
    (_S.RUNNING, _S.READY, "The attempt ended, and the job is retried."),
    (_S.RUNNING, _S.SUCCEEDED, "The attempt succeeded."),
    (_S.RUNNING, _S.FAILED, "The attempt failed, and there are no more tries."),
    (_S.RUNNING, _S.CANCELLED, "The attempt was cancelled."),
    (_S.FAILED, _S.READY, "Its batch is retried."),
    (_S.SKIPPED, _S.BLOCKED, "Its batch is retried, and with it a parent."),
    (_S.SKIPPED, _S.READY, "Its batch is retried, and all its parents have succeeded since."),
)
