"""In which class a job is tried again: with more memory after out of memory, and only on demand after enough preemptions.

Called by `engine/attempts/attempt.py` when an attempt of a job that asks for this has ended and did not succeed. Rows and memory of other jobs are as if it
did not exist: what is remembered of a job is stored in `EngineState.retried_as`, until it ends.
"""

from dataclasses import replace
from math import ceil

from herder.engine.jobs.classes import class_id_of
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife
from herder.engine.memory.waiting_jobs import RetriedAs
from herder.model.ids import ClassId, JobId
from herder.model.stored.changes import Changes
from herder.model.stored.records import EarlierClassRecord, JobClassChange
from herder.model.values.phrases import counted
from herder.model.values.resources import format_mib
from herder.model.work.demand import Affinity, Expression, Operator
from herder.model.work.job import AttemptState, Cause, JobClass

#: Workers that the provider does not take back: spot workers have this label.
ON_DEMAND = Expression(key="spot", operator=Operator.NOT_IN, values=("true",))
#: Of an attempt on a spot worker: the worker was taken back, or was not heard from again.
TAKEN_BACK = frozenset({Cause.PREEMPTED, Cause.WORKER_LOST})


def class_now(state: EngineState, job: JobId, class_id: ClassId) -> ClassId:
    """The class of a job; `class_id`: as its row had it, which may have been read before it changed."""
    life = state.retried_as.get(job)
    return class_id if life is None else life.class_id


def _life(state: EngineState, attempt: LiveAttempt) -> RetriedAs:
    life = state.retried_as.get(attempt.job)
    if life is None:
        life = state.retried_as[attempt.job] = RetriedAs(batch=attempt.batch, class_id=attempt.class_id)
    return life


def adapt(
    state: EngineState,
    changes: Changes,
    attempt: LiveAttempt,
    worker: WorkerLife,
    final: AttemptState,
    cause: Cause,
    now_ms: int,
) -> bool | None:
    """Changes the class of a job whose attempt has just ended, and may be tried again. Answers whether it gets more memory, which is none of
    its `retries`: memory is bounded. None: it ran out of as much as it may have, so it ends."""
    job_class, class_id = state.classes[attempt.class_id], attempt.class_id
    grown: bool | None = False
    if cause is Cause.OUT_OF_MEMORY and job_class.retry.memory_factor > 1:
        larger = _with_more_memory(state, changes, attempt, job_class, now_ms)
        grown = None if larger is None else True
        class_id = class_id if larger is None else larger
    elif worker.spec.spot and final is not AttemptState.CANCELLED and cause in TAKEN_BACK:
        class_id = _off_spot(state, changes, attempt, job_class, now_ms)
    if class_id != attempt.class_id:
        changes.put(EarlierClassRecord(attempt.job, attempt.number, attempt.class_id))
        changes.put(JobClassChange(attempt.job, class_id))
        _life(state, attempt).class_id = class_id
        if attempt.job in state.faults:
            state.faults[attempt.job].class_id = class_id
        attempt.class_id = class_id  # it has ended, and is only asked what the next one is like
    return grown


def _with_more_memory(
    state: EngineState, changes: Changes, attempt: LiveAttempt, job_class: JobClass, now_ms: int
) -> ClassId | None:
    had, policy = job_class.request.memory_mib, job_class.retry
    largest_mib = state.largest_memory_mib(job_class)
    learned_mib = state.memory_peaks.learned_mib(job_class.profile) if policy.memory_profile else None
    wanted = min(max(ceil(had * policy.memory_factor), learned_mib or 0), largest_mib)
    if policy.memory_max_mib is not None:
        wanted = min(wanted, policy.memory_max_mib)
    ran_out = f"Job {attempt.job} ran out of memory with {format_mib(had)}"
    if wanted <= had:
        most = "its memory_max" if largest_mib > had else "as much as the largest worker for it has"
        _tell(
            state,
            changes,
            attempt,
            job_class,
            "job.memory_exhausted",
            f"{ran_out}, {most}, so it is not tried again.",
            now_ms,
        )
        return None
    text = f"{ran_out}, so its next attempt requests {format_mib(wanted)}."
    _tell(state, changes, attempt, job_class, "job.memory_raised", text, now_ms)
    larger = replace(job_class, request=job_class.request.replaced("memory_mib", wanted))
    return class_id_of(state, changes, larger)


def _off_spot(
    state: EngineState, changes: Changes, attempt: LiveAttempt, job_class: JobClass, now_ms: int
) -> ClassId:
    after = job_class.retry.on_demand_after
    if after is None:
        return attempt.class_id
    life = _life(state, attempt)
    life.taken_back += 1
    if life.taken_back < after:
        return attempt.class_id
    there = replace(job_class, affinity=_on_demand(job_class.affinity))
    lost = f"Job {attempt.job} has lost {counted(life.taken_back, 'spot worker')}"
    if state.largest_memory_mib(there) < job_class.request.memory_mib:
        if life.taken_back == after:
            text = f"{lost}, and no pool has other workers for it, so it is tried on spot again."
            _tell(state, changes, attempt, job_class, "job.stays_on_spot", text, now_ms)
        return attempt.class_id
    text = f"{lost}, so from now on it runs on other workers only."
    _tell(state, changes, attempt, job_class, "job.leaves_spot", text, now_ms)
    return class_id_of(state, changes, there)


def _on_demand(affinity: Affinity) -> Affinity:
    terms = affinity.required or ((),)
    return replace(affinity, required=tuple((*term, ON_DEMAND) for term in terms))


def _tell(
    state: EngineState,
    changes: Changes,
    attempt: LiveAttempt,
    job_class: JobClass,
    kind: str,
    text: str,
    now_ms: int,
) -> None:
    record_event(
        state,
        changes,
        now_ms,
        kind,
        f"job/{attempt.job}",
        text,
        data={"attempt": attempt.number},
        owner=job_class.user,
        project=job_class.project,
    )
