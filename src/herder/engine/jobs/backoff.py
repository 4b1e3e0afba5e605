"""Jobs that failed because of a worker: they wait before they are tried again, longer each time, and then prefer another worker.

Used by `engine/attempts/attempt.py`, and by `scheduler/delayed_jobs.py`, which places them. Such a job is ready and in no queue: it is in
`EngineState.delayed` until its time has come, then also in `due`, until it is given to a worker or put back into the queue of its
class. There are no timers: each hand-over looks at the first of a heap. A job may also be the one that fails its workers:
`docs/decisions/0021-jobs-that-kill-their-workers.md` says when it is told from its neighbours.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TypeVar

from herder.engine.memory.state import EngineState, LiveAttempt
from herder.engine.memory.waiting_jobs import DelayedJob, JobFaults, RetriedAs
from herder.model.ids import BatchId, JobId, WorkerName
from herder.model.stored.changes import Changes
from herder.model.stored.records import JobStatus
from herder.model.work.job import Cause, JobState

#: The pause after the first fault; doubled with each further one up to the longest.
FIRST_PAUSE_MS = 1_000
LONGEST_PAUSE_MS = 120_000
#: Workers that a job is kept away from: the latest on which it failed.
WORKERS_REMEMBERED = 16
#: A worker that dies this long after an attempt began there, or later, says nothing against its job.
BLAMED_WITHIN_MS = 30 * 60_000
#: Workers that may die so before the job is stopped; it ran alone on the last of them.
WORKERS_KILLED_MAX = 3
#: Of a message as it is kept for explanations.
LAST_MAX = 200
_Life = TypeVar("_Life", JobFaults, RetriedAs)
#: Entries of the heap that may be out of date, beside as many as there are jobs.
STALE_MAX = 64


def pause_ms(faults: int) -> int:
    """How long a job waits after so many faults, of which there is at least one."""
    return min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(faults - 1, 20))


def note_fault(
    state: EngineState, attempt: LiveAttempt, cause: Cause, message: str, now_ms: int
) -> JobFaults:
    """An attempt failed through a fault of its worker."""
    faults = state.faults.get(attempt.job)
    if faults is None:
        faults = state.faults[attempt.job] = JobFaults(batch=attempt.batch, class_id=attempt.class_id)
    add_fault(faults, attempt.worker, cause, message, now_ms - attempt.assigned_at_ms)
    return faults


def add_fault(faults: JobFaults, worker: WorkerName, cause: Cause, message: str, ran_ms: int) -> None:
    faults.count += 1
    faults.deaths += cause is Cause.WORKER_LOST and ran_ms < BLAMED_WITHIN_MS
    others = tuple(each for each in faults.workers if each != worker)
    faults.workers = (*others, worker)[-WORKERS_REMEMBERED:]
    faults.last = (message or cause.value)[:LAST_MAX]


def is_suspect(faults: JobFaults | None) -> bool:
    """Whether one more death would be enough: from then on it runs alone, so that nobody else is blamed for it."""
    return faults is not None and faults.deaths >= WORKERS_KILLED_MAX - 1


def delay(state: EngineState, job: JobId, waiting: DelayedJob) -> None:
    """Keep a ready job until its time. The caller has counted and recorded it."""
    state.delayed[job] = waiting
    heappush(state.delays, (waiting.not_before_ms, job))
    if len(state.delays) > 2 * len(state.delayed) + STALE_MAX:
        state.delays = [
            (each.not_before_ms, number) for number, each in state.delayed.items() if number not in state.due
        ]
        heapify(state.delays)


def clock_set(state: EngineState, changes: Changes, by_ms: int) -> None:
    """The pauses are as long as they were; the rows of those that wait say the new times."""
    for job, waiting in state.delayed.items():
        waiting.ready_at_ms += by_ms
        waiting.not_before_ms += by_ms
        attempts, failures = state.tried_of(waiting.batch).get(job, (0, 0))
        changes.job_status[job] = JobStatus(
            job, int(JobState.READY), attempts, failures, "", waiting.ready_at_ms, None, waiting.not_before_ms
        )
    state.delays = [(at_ms + by_ms, job) for at_ms, job in state.delays]


def none_after(state: EngineState, now_ms: int) -> None:
    """At a start: no pause lasts longer than the longest, whatever the clock showed when its row was written. One that is over is not
    taken out of the row, so the row of a job that waits in its queue may say a time of a clock that was set back since."""
    latest_ms = now_ms + LONGEST_PAUSE_MS
    for waiting in state.delayed.values():
        waiting.not_before_ms = min(waiting.not_before_ms, latest_ms)
        waiting.ready_at_ms = min(waiting.ready_at_ms, now_ms)
    state.delays = [(waiting.not_before_ms, job) for job, waiting in state.delayed.items()]
    heapify(state.delays)


def any_due(state: EngineState, now_ms: int) -> bool:
    """Whether a placement pass has something to do for delayed jobs."""
    return bool(state.due) or bool(state.delays and state.delays[0][0] <= now_ms)


def come_due(state: EngineState, now_ms: int) -> None:
    """Those whose time has come are in `due` afterwards."""
    delays = state.delays
    while delays and delays[0][0] <= now_ms:
        not_before_ms, job = heappop(delays)
        waiting = state.delayed.get(job)
        if waiting is not None and waiting.not_before_ms == not_before_ms:
            state.due[job] = None


def queue_again(state: EngineState, job: JobId) -> None:
    """It goes back into the queue of its class, at the place that its age gives it, and to any worker."""
    waiting = state.delayed.pop(job)
    state.due.pop(job, None)
    state.queue(waiting.class_id).put_back(waiting.batch, job, waiting.ready_at_ms)
    state.fresh_demand = True


def withdraw_delayed(state: EngineState, job: JobId) -> DelayedJob | None:
    """Take one out, because it starts or is cancelled."""
    state.due.pop(job, None)
    return state.delayed.pop(job, None)


def withdraw_delayed_batch(
    state: EngineState, batch: BatchId, within: Callable[[int], bool] = lambda job: True
) -> list[JobId]:
    """Take out those of a batch, but for `always_run` ones; answers which they were. What was remembered of them, and of those
    in queues, is forgotten. `within`: which jobs of the batch are meant."""
    classes = state.classes
    gone = [
        job
        for job, waiting in state.delayed.items()
        if waiting.batch == batch and not classes[waiting.class_id].always_run and within(job)
    ]
    for job in gone:
        withdraw_delayed(state, job)
    _forget_of_batch(state, state.faults, batch, within)
    _forget_of_batch(state, state.retried_as, batch, within)
    return gone


def _forget_of_batch(
    state: EngineState, memory: dict[JobId, _Life], batch: BatchId, within: Callable[[int], bool]
) -> None:
    for job, each in list(memory.items()):
        if each.batch != batch or job in state.live or state.classes[each.class_id].always_run:
            continue
        if within(job):
            del memory[job]
