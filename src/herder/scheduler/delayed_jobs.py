"""Placement of delayed jobs, one by one: on another worker than the one where they failed, suspects alone.

Used by `placement.py` at the beginning of a pass; costs nothing while no such job's time has come. Everything else is placed by
class, and knows of no exclusions. The preference for other workers is a soft one: a job that no other worker could take, or that has
waited for one for `AWAY_MAX_MS`, goes back into the queue of its class. A job that may be the one that kills its workers runs where
nothing else does: on an empty worker, or on one that takes nothing new until it is empty.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from herder.decide.placement.place import place
from herder.engine.attempts.attempt import assign_delayed
from herder.engine.jobs.backoff import any_due, come_due, is_suspect, queue_again
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.waiting_jobs import DelayedJob
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, JobId, WorkerName
from herder.model.planning.observed import QueuedClass
from herder.model.stored.changes import Changes
from herder.model.work.job import JobClass
from herder.scheduler.queue_index import QueueIndex
from herder.scheduler.quota_usage import may_start
from herder.scheduler.reservations import open_worker

#: A job waits so long for a worker on which it has not failed, then takes any.
AWAY_MAX_MS = 60_000
#: Jobs looked at in one pass, and workers that one is offered.
JOBS_MAX = 64
WORKERS_MAX = 32
#: Passes are frequent; those that found no place are looked at again after this.
LOOK_EVERY_MS = 250
#: One worker of so many, and at least one, may be kept for suspects.
APART_PART = 8


@dataclass(slots=True)
class Retries:
    _look_at_ms: int = 0

    def run(
        self,
        state: EngineState,
        changes: Changes,
        waiting: QueueIndex,
        held: Collection[WorkerName],
        now_ms: int,
    ) -> None:
        """Start what can start; `held`: workers that are kept for others."""
        if not any_due(state, now_ms):
            return
        before = len(state.due)
        come_due(state, now_ms)
        if len(state.due) == before and self._look_at_ms - LOOK_EVERY_MS <= now_ms < self._look_at_ms:
            return
        self._look_at_ms = now_ms + LOOK_EVERY_MS
        full: set[ClassId] = set()
        for job in list(islice(state.due, JOBS_MAX)):
            waits = state.delayed[job]
            del state.due[job]
            state.due[job] = None  # the others have their turn first at the next pass
            faults = state.faults.get(job)
            if faults is not None and is_suspect(faults):
                _place_alone(state, changes, waiting, held, job, waits, faults.workers, now_ms)
                continue
            away = [] if faults is None else [name for name in faults.workers if name in state.workers]
            late = now_ms - waits.not_before_ms >= AWAY_MAX_MS
            if late or not away or not _any_other(state, waiting, waits, away):
                queue_again(state, job)
            elif waits.class_id not in full:
                worker = _choose(state, waiting, waits, {*away, *held}, now_ms)
                if worker is not None:
                    _start(state, changes, waiting, job, waits, worker, now_ms, alone=False)
                elif not any(state.workers[name].takes_work for name in away):
                    full.add(waits.class_id)  # no room for another job of the class either


def _start(
    state: EngineState,
    changes: Changes,
    waiting: QueueIndex,
    job: JobId,
    waits: DelayedJob,
    worker: WorkerLife,
    now_ms: int,
    *,
    alone: bool,
) -> None:
    waiting.served(state.classes[waits.class_id])
    assign_delayed(state, changes, job, worker, now_ms, alone=alone)


def _any_other(
    state: EngineState, waiting: QueueIndex, waits: DelayedJob, away: Collection[WorkerName]
) -> bool:
    """Whether a worker that is there, or is on its way, could run it at some time."""
    job_class = state.classes[waits.class_id]
    return any(
        (worker.state.in_flight or worker.serves)
        and worker.spec.name not in away
        and _could_run(state, waiting, waits, job_class, worker)
        for worker in state.workers.values()
    )


def _could_run(
    state: EngineState, waiting: QueueIndex, waits: DelayedJob, job_class: JobClass, worker: WorkerLife
) -> bool:
    return job_class.request.fits_in(worker.spec.allocatable) and waiting.may_use(
        state, waits.class_id, worker
    )


def _choose(
    state: EngineState,
    waiting: QueueIndex,
    waits: DelayedJob,
    not_on: Collection[WorkerName],
    now_ms: int,
) -> WorkerLife | None:
    """As placement chooses for a single job."""
    head = _head(state, waits)
    if not may_start(state, [head]):
        return None
    request = head.job_class.request
    roomy = (
        worker
        for worker in state.workers.values()
        if worker.takes_work
        and worker.spec.name not in not_on
        and request.fits_in(worker.free)
        and waiting.may_use(state, waits.class_id, worker)
    )
    offered = [open_worker(worker) for worker in islice(roomy, WORKERS_MAX)]
    if not offered:
        return None
    placement = place([head], offered, total=waiting.total, pools=state.pools, now_ms=now_ms)
    return state.workers[placement.assignments[0].worker] if placement.assignments else None


def _head(state: EngineState, waits: DelayedJob) -> QueuedClass:
    return QueuedClass(
        class_id=waits.class_id,
        job_class=state.classes[waits.class_id],
        count=1,
        oldest_ready_at_ms=waits.ready_at_ms,
    )


def _place_alone(
    state: EngineState,
    changes: Changes,
    waiting: QueueIndex,
    held: Collection[WorkerName],
    job: JobId,
    waits: DelayedJob,
    failed_on: Collection[WorkerName],
    now_ms: int,
) -> None:
    """On an empty worker, if possible one where it has not failed; else one is kept for it until it is empty."""
    if not may_start(state, [_head(state, waits)]):
        return
    some = list(_for_one_alone(state, waiting, held, job, waits))
    best = min(
        some,
        key=lambda worker: (
            bool(worker.live),
            worker.spec.name in failed_on,
            len(worker.live),
            worker.requested_at_ms,
            worker.spec.name,
        ),
        default=None,
    )
    kept = state.workers.get(waits.kept_on) if waits.kept_on is not None else None
    if best is not None and not best.live:
        if kept is not None and kept is not best and kept.alone_for == job:
            kept.alone_for = None
            state.open_workers.add(kept.spec.name)
        _start(state, changes, waiting, job, waits, best, now_ms, alone=True)
        return
    if kept is not None and kept in some:
        return
    waits.kept_on = None
    apart = sum(worker.alone_for is not None for worker in state.workers.values())
    if best is not None and apart < max(1, len(state.workers) // APART_PART):
        best.alone_for, waits.kept_on = job, best.spec.name


def _for_one_alone(
    state: EngineState,
    waiting: QueueIndex,
    held: Collection[WorkerName],
    job: JobId,
    waits: DelayedJob,
) -> Iterator[WorkerLife]:
    job_class = state.classes[waits.class_id]
    for worker in state.workers.values():
        mine = worker.alone_for == job
        if (
            worker.state is WorkerState.READY
            and (mine or worker.serves)
            and not (worker.cordoned or worker.troubles or worker.probing)
            and worker.spec.name not in held
            and _could_run(state, waiting, waits, job_class, worker)
        ):
            yield worker
