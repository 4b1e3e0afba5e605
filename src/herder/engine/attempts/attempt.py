"""Attempts: assigned to a worker, started, ended, lost. Fenced by (job, number, worker): any other report changes nothing.

Called by `control/` for placement's decisions and for what workers report. An attempt is recorded before the worker hears of it.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from herder.engine.attempts import worker_health
from herder.engine.attempts.ending import Ending, assigned_record, attempt_record
from herder.engine.jobs import backoff, holding
from herder.engine.jobs.batch_end import after_job_end
from herder.engine.jobs.job import count_move, end_job
from herder.engine.jobs.next_class import adapt
from herder.engine.memory.queue import Taken
from herder.engine.memory.state import BatchLife, EngineState, LiveAttempt, WorkerLife
from herder.engine.memory.waiting_jobs import DelayedJob, JobFaults
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, JobId
from herder.model.stored.changes import Changes
from herder.model.stored.incarnation import tries as number_of_tries
from herder.model.stored.records import JobStatus
from herder.model.values.phrases import listed
from herder.model.work.job import (
    FAULTS_OF_WORKERS,
    NOT_THE_JOBS_FAULT,
    AttemptState,
    Cause,
    JobClass,
    JobState,
)
from herder.model.work.usage import AttemptUsage

#: Causes of failure after which the run time says something about the next try.
ENDED_BY_ITSELF = frozenset({Cause.EXIT_CODE, Cause.TIMEOUT, Cause.OUT_OF_MEMORY, Cause.OUT_OF_DISK})
_RUNNING = int(JobState.RUNNING)
#: Tries and failures of a job that was not tried yet.
_NEW = (0, 0)


def assign(
    state: EngineState, changes: Changes, class_id: ClassId, worker: WorkerLife, count: int, now_ms: int
) -> int:
    """Give `count` queued jobs of a class to a worker; answers how many there were. Raises if they do not fit."""
    taken = state.queue(class_id).take(count)
    _give(state, changes, class_id, worker, taken, now_ms)
    return len(taken)


def assign_delayed(
    state: EngineState, changes: Changes, job: JobId, worker: WorkerLife, now_ms: int, *, alone: bool
) -> None:
    """Give a job that is in no queue to a worker, which has room for it; `alone`: nothing else is to run there."""
    waiting = backoff.withdraw_delayed(state, job)
    if waiting is None:
        raise AssertionError(f"job {job} is not delayed")
    if alone:
        worker.alone_for = job
    _give(state, changes, waiting.class_id, worker, [(waiting.batch, job, waiting.ready_at_ms)], now_ms)


def _give(
    state: EngineState,
    changes: Changes,
    class_id: ClassId,
    worker: WorkerLife,
    taken: Sequence[Taken],
    now_ms: int,
) -> None:
    job_class = state.classes[class_id]
    request = job_class.request
    used = request.times(len(taken))
    if not used.fits_in(worker.free) or len(taken) > worker.free_slots:
        raise AssertionError(
            f"placement put more on {worker.spec.name} than is free: {used} into {worker.free}"
        )
    name, incarnation = worker.spec.name, state.incarnation
    renumbered_below = incarnation.next.jobs
    for batch_id, of_batch in groupby(taken, itemgetter(0)):
        tried, preempted = state.tried_of(batch_id), state.preempted_of(batch_id)
        batch = None if batch_id is None else state.batches[batch_id]
        given: list[int] = []
        for _, number, ready_at_ms in of_batch:
            job = JobId(number)
            attempts, failures = tried.pop(job, _NEW) if tried else _NEW
            following = attempts + 1 if job >= renumbered_below else incarnation.attempt_after(attempts)
            attempt = LiveAttempt(
                job=job,
                number=following,
                failures=failures,
                class_id=class_id,
                batch=batch_id,
                worker=name,
                state=AttemptState.ASSIGNED,
                assigned_at_ms=now_ms,
                ready_at_ms=ready_at_ms,
                preempted=preempted.pop(job, 0),
                hand_over=state.hand_over,
            )
            state.live[job] = worker.live[job] = attempt
            worker.unacked[job] = 0
            # What became ready, or gave way, in this same commit: since when it waits is said by its row.
            before = changes.job_status.get(job)
            ready = None if before is None else before.ready_at_ms
            changes.job_status[job] = JobStatus(job, _RUNNING, following, failures, "", ready, None)
            changes.attempts[job, following] = assigned_record(attempt)
            given.append(job)
        count_move(state, batch, JobState.READY, JobState.RUNNING, len(given), jobs=given)
    worker.free = worker.free.minus(used)
    worker.free_slots -= len(taken)
    worker.idle_since_ms = None
    state.live_usage.count(class_id, job_class, len(taken))
    state.stirred_users.add(job_class.user)
    changes.wake.add(name)


def started(changes: Changes, worker: WorkerLife, job: int, number: int, started_at_ms: int) -> bool:
    """The worker began with it. False when the attempt is not its own any more (it is to stop it)."""
    attempt = worker.live.get(JobId(job))
    if attempt is None or attempt.number != number:
        return False
    if attempt.state is AttemptState.ASSIGNED:
        attempt.state = AttemptState.RUNNING
        attempt.started_at_ms = max(started_at_ms, attempt.assigned_at_ms)
        changes.attempts[job, number] = attempt_record(attempt, AttemptState.RUNNING, None)
    return True


def ended(
    state: EngineState, changes: Changes, worker: WorkerLife, ending: Ending, result: str | None, now_ms: int
) -> bool:
    """The worker reports the end of an attempt. False when it is not its own any more: then nothing changes."""
    attempt = worker.live.get(JobId(ending.job))
    if attempt is None or attempt.number != ending.attempt:
        return False
    final, cause = _verdict(attempt, ending)
    # By the worker's own clock, which may be set to anything: no start lies outside of what we saw of the attempt.
    attempt.started_at_ms = min(max(ending.started_at_ms, attempt.assigned_at_ms), now_ms)
    # And no end: while its server was away it had ended, and waited to be told.
    ran_ms = max(0, ending.ended_at_ms - ending.started_at_ms)
    end_ms = min(now_ms, attempt.started_at_ms + ran_ms)
    if ending.bytes_in:
        state.cached_inputs.note(attempt.class_id, worker.spec.name, ending.bytes_in_cache)
    _close(state, changes, worker, attempt, final, cause, now_ms, end_ms=end_ms, ending=ending, result=result)
    if cause is Cause.INFRASTRUCTURE and final is AttemptState.FAILED:
        worker_health.count_fault(state, changes, worker, ending.message, now_ms)
    elif worker.faults and (final is AttemptState.SUCCEEDED or cause in ENDED_BY_ITSELF):
        worker_health.count_success(state, changes, worker, attempt, now_ms)
    return True


def lose(
    state: EngineState,
    changes: Changes,
    attempt: LiveAttempt,
    cause: Cause,
    message: str,
    now_ms: int,
    *,
    alone: bool = False,
) -> None:
    """An attempt that nobody will report on any more: its worker is gone, draining too long, or does not hold it. `alone`: nothing else
    ran there when its worker died."""
    worker = state.workers[attempt.worker]
    final = AttemptState.CANCELLED if attempt.cancelling else AttemptState.LOST
    worker.cancels.add((attempt.job, attempt.number))
    _close(state, changes, worker, attempt, final, cause, now_ms, message=message, alone=alone)


def cancel(state: EngineState, changes: Changes, attempt: LiveAttempt) -> None:
    """Ask the worker to stop it; it ends when the worker has reported that, or is lost with the worker.

    Its row says so by its cause, so that a restart of the server does not forget it.
    """
    if not attempt.cancelling:
        attempt.cancelling, attempt.preempted_for = True, ""
        changes.attempts[attempt.job, attempt.number] = attempt_record(attempt, attempt.state, None)
        state.workers[attempt.worker].cancels.add((attempt.job, attempt.number))
        changes.wake.add(attempt.worker)


def preempt(state: EngineState, changes: Changes, attempt: LiveAttempt, why: str) -> None:
    """Ask the worker to stop it for another job; when it has, the job is queued again in front, and nothing is counted
    against its retries. A success that is on its way all the same stays one. As with `cancel`, its row says so."""
    if not (attempt.cancelling or attempt.preempted_for):
        attempt.preempted_for = why
        changes.attempts[attempt.job, attempt.number] = attempt_record(attempt, attempt.state, None)
        state.workers[attempt.worker].cancels.add((attempt.job, attempt.number))
        changes.wake.add(attempt.worker)


def moved(changes: Changes, attempt: LiveAttempt, by_ms: int) -> None:
    """The clock was set by so much: it has run as long as before."""
    attempt.assigned_at_ms += by_ms
    if attempt.started_at_ms is not None:
        attempt.started_at_ms += by_ms
    attempt.ready_at_ms += by_ms
    changes.attempts[attempt.job, attempt.number] = attempt_record(attempt, attempt.state, None)


def _verdict(attempt: LiveAttempt, ending: Ending) -> tuple[AttemptState, Cause]:
    if ending.state == "succeeded":
        return AttemptState.SUCCEEDED, Cause.NONE
    if attempt.cancelling:
        return AttemptState.CANCELLED, Cause.CANCELLED
    if attempt.preempted_for and ending.state == "cancelled":
        return AttemptState.CANCELLED, Cause.PREEMPTED
    try:
        cause = Cause(ending.cause)
    except ValueError:
        cause = Cause.INFRASTRUCTURE
    if ending.state == "cancelled" or cause is Cause.NONE:
        cause = Cause.INFRASTRUCTURE  # nobody asked for it
    return AttemptState.FAILED, cause


def _close(
    state: EngineState,
    changes: Changes,
    worker: WorkerLife,
    attempt: LiveAttempt,
    final: AttemptState,
    cause: Cause,
    now_ms: int,
    *,
    end_ms: int | None = None,
    ending: Ending | None = None,
    result: str | None = None,
    message: str = "",
    alone: bool = False,
) -> None:
    """`end_ms`: when it had ended, where its worker says so; what follows from it happens now."""
    ended_at_ms = now_ms if end_ms is None else end_ms
    job_class = state.classes[attempt.class_id]
    stopped = ""
    if final is not AttemptState.SUCCEEDED and cause in FAULTS_OF_WORKERS and not attempt.cancelling:
        said = message if ending is None else ending.message
        faults = backoff.note_fault(state, attempt, cause, said, now_ms)
        if alone and cause is Cause.WORKER_LOST and faults.deaths >= backoff.WORKERS_KILLED_MAX:
            message = stopped = _killed(faults)
    changes.attempts[attempt.job, attempt.number] = attempt_record(
        attempt, final, ended_at_ms, cause=cause, ending=ending, result=result, message=message
    )
    del state.live[attempt.job], worker.live[attempt.job]
    worker.unacked.pop(attempt.job, None)
    worker.attempts_done += 1
    if job_class.retry.memory_profile and final is AttemptState.SUCCEEDED and ending is not None:
        state.memory_peaks.add(job_class.profile, ending.memory_peak_mib)
    if final is AttemptState.SUCCEEDED or cause in ENDED_BY_ITSELF:
        run_ms = max(0, ended_at_ms - attempt.assigned_at_ms)
        state.ended_runs.append((attempt.class_id, run_ms))
    if worker.alone_for is not None and worker.alone_for == attempt.job:
        worker.alone_for = None
    _free(state, worker, attempt.class_id, job_class, now_ms)
    changes.usage.append(
        AttemptUsage(
            worker.machine,
            job_class.user,
            job_class.project,
            attempt.batch,
            attempt.job,
            attempt.number,
            job_class.request,
            attempt.assigned_at_ms,
            ended_at_ms,
        )
    )
    if stopped:
        cause = Cause.KILLED_WORKERS
    _next_for_job(state, changes, attempt, worker, job_class, final, cause, now_ms, ended_at_ms)


def _killed(faults: JobFaults) -> str:
    *others, last = faults.workers
    return (
        f"Stopped, because {faults.deaths} workers died while this job ran on them ({listed([*others, last])}), and nothing else ran on "
        f"{last}. Find out what the job does to its machine (memory, processes, signals) before you submit it again."
    )


def _free(
    state: EngineState, worker: WorkerLife, class_id: ClassId, job_class: JobClass, now_ms: int
) -> None:
    worker.free = worker.free.plus(job_class.request)
    worker.free_slots += 1
    if not worker.live:
        worker.idle_since_ms = now_ms
    if worker.state is WorkerState.READY:
        state.open_workers.add(worker.spec.name)
    state.stirred_users.add(job_class.user)
    state.live_usage.count(class_id, job_class, -1)
    state.dirty_workers[worker.spec.name] = worker


def _next_for_job(
    state: EngineState,
    changes: Changes,
    attempt: LiveAttempt,
    worker: WorkerLife,
    job_class: JobClass,
    final: AttemptState,
    cause: Cause,
    now_ms: int,
    ended_at_ms: int,
) -> None:
    """The job ends with its attempt, or is tried again under its policy."""
    batch = _batch(state, attempt)
    failures, preempted = attempt.failures, attempt.preempted
    if final is AttemptState.SUCCEEDED:
        new = JobState.SUCCEEDED
    elif attempt.cancelling or (batch is not None and batch.cancelled and not job_class.always_run):
        new = JobState.CANCELLED
        overdue = job_class.deadline_ms is not None and now_ms >= job_class.deadline_ms
        cause = Cause.DEADLINE if overdue else Cause.CANCELLED
    else:
        preempted += final is AttemptState.CANCELLED and cause is Cause.PREEMPTED
        tries = number_of_tries(attempt.number) - preempted
        again = cause is not Cause.KILLED_WORKERS and tries < job_class.retry.attempts_max
        grown: bool | None = False
        if again and job_class.retry.adapts:
            grown = adapt(state, changes, attempt, worker, final, cause, now_ms)
        failures += 0 if grown or cause in NOT_THE_JOBS_FAULT else 1
        again = again and grown is not None and failures <= job_class.retry.retries
        new = JobState.READY if again else JobState.FAILED
    if new is JobState.READY:
        _again(state, changes, attempt, cause, failures, preempted, now_ms)
        return
    end_job(
        state,
        changes,
        attempt.job,
        batch,
        old=JobState.RUNNING,
        new=new,
        cause=cause,
        attempts=attempt.number,
        failures=failures,
        now_ms=now_ms,
        ended_at_ms=ended_at_ms,
    )
    if batch is not None:
        after_job_end(state, changes, batch, attempt.job, new, now_ms)


def _again(
    state: EngineState,
    changes: Changes,
    attempt: LiveAttempt,
    cause: Cause,
    failures: int,
    preempted: int,
    now_ms: int,
) -> None:
    """It stands by when it first became ready: at once, or after a pause when a worker failed it. One that had to give way goes in
    front, and its age counts anew: it has not waited."""
    job = attempt.job
    faults = state.faults[job] if cause in FAULTS_OF_WORKERS else None
    ready_at_ms = now_ms if cause is Cause.PREEMPTED else None
    held = holding.is_held(state, attempt.batch)  # then it waits for its release, and its row for no time
    not_before_ms = None if faults is None or held else now_ms + backoff.pause_ms(faults.count)
    changes.job_status[job] = JobStatus(
        job, int(JobState.READY), attempt.number, failures, "", ready_at_ms, None, not_before_ms
    )
    count_move(state, _batch(state, attempt), JobState.RUNNING, JobState.READY, jobs=job)
    state.tried_of(attempt.batch)[job] = (attempt.number, failures)
    if preempted:
        state.preempted_of(attempt.batch)[job] = preempted
    if held:
        since_ms = attempt.ready_at_ms if ready_at_ms is None else ready_at_ms
        holding.make_ready_again(state, _batch(state, attempt), attempt.class_id, job, since_ms)
        return
    if not_before_ms is not None:
        waiting = DelayedJob(
            class_id=attempt.class_id,
            batch=attempt.batch,
            ready_at_ms=attempt.ready_at_ms,
            not_before_ms=not_before_ms,
        )
        backoff.delay(state, job, waiting)
        return
    queue = state.queue(attempt.class_id)
    if queue.count == 0:
        state.fresh_demand = True
    if ready_at_ms is None:
        queue.put_back(attempt.batch, job, attempt.ready_at_ms)
    else:
        queue.put_first(attempt.batch, job, ready_at_ms)


def _batch(state: EngineState, attempt: LiveAttempt) -> BatchLife | None:
    return state.batches[attempt.batch] if attempt.batch is not None else None
