"""Reservations of a running server: places for the jobs that have waited longest, beyond the limit of `Ageing`.

Used by `placement.py`. It finds who is due one and shows `decide.placement.reservations` the workers and what is expected of what runs
on them; that chooses. Reservations live in memory only: after a restart they are made anew from how long jobs have waited.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from heapq import nlargest

from herder.decide.forecast.run_times import RunTimes, kinds_of
from herder.decide.placement.ageing import Ageing
from herder.decide.placement.free_capacity import OpenWorker
from herder.decide.placement.reservations import BusyWorker, Reservation, renew, reserve
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.ids import ClassId, WorkerName
from herder.model.planning.observed import QueuedClass
from herder.model.work.job import JobClass
from herder.scheduler.queue_index import QueueIndex
from herder.scheduler.quota_usage import may_start

#: Workers that a reservation is chosen from: those with most free CPU.
LOOK_MAX = 64
#: Of so many of the oldest, those go first whose users stand lowest.
HEADS_MAX = 64
#: So long is a place kept for whom attempts were asked to stop: longer than any agent lets them take for it.
PREEMPTOR_MS = 300_000
#: So often is it asked who is due a reservation, beside whenever one was used.
LOOK_EVERY_MS = 1_000
#: What runs is expected to end with even chances; what is to run before a reservation, more surely than not.
ENDS_BY = 0.5
BACKFILL_ENDS_BY = 0.8


@dataclass(slots=True)
class Reservations:
    by_worker: dict[WorkerName, Reservation] = field(default_factory=dict)
    _look_at_ms: int = 0

    def prepare(
        self,
        state: EngineState,
        waiting: QueueIndex,
        run_times: RunTimes,
        ageing: Ageing,
        open_names: Collection[WorkerName],
        now_ms: int,
    ) -> dict[WorkerName, Reservation]:
        """The reservations, those on the open workers renewed for now. Those whose job or worker is gone are given up."""
        aged_ms = now_ms - ageing.reserve_after_ms
        for name, reservation in list(self.by_worker.items()):
            queue, worker = state.queues.get(reservation.class_id), state.workers.get(name)
            due = now_ms < reservation.made_at_ms + PREEMPTOR_MS if reservation.preempts else False
            waits = queue is not None and queue.count and (due or queue.oldest_ready_at_ms <= aged_ms)
            if not waits or worker is None or not _stays(worker):
                self.release(name)
        if now_ms >= self._look_at_ms:
            self._look_at_ms = now_ms + LOOK_EVERY_MS
            self._make(state, waiting, run_times, ageing, now_ms)
        for name, reservation in self.by_worker.items():
            if name in open_names and reservation.made_at_ms < now_ms:
                busy = _busy(state, state.workers[name], run_times, now_ms)
                self.by_worker[name] = renew(reservation, busy, now_ms)
        return self.by_worker

    def release(self, name: WorkerName) -> None:
        """It was used, or is of no use any more; the next in line is looked for at the next pass."""
        if self.by_worker.pop(name, None) is not None:
            self._look_at_ms = 0

    def _make(
        self, state: EngineState, waiting: QueueIndex, run_times: RunTimes, ageing: Ageing, now_ms: int
    ) -> None:
        most = ageing.reservations(len(state.workers))
        if self._aged >= most:
            return
        heads = may_start(state, waiting.oldest(state, now_ms - ageing.reserve_after_ms, HEADS_MAX))
        heads.sort(
            key=lambda head: waiting.turn(head, now_ms - ageing.overdue_times * ageing.reserve_after_ms)
        )
        for head in _each_in_turn(
            heads, [reservation.class_id for reservation in self.by_worker.values()], most
        ):
            if self._aged >= most:
                return
            workers = _candidates(state, head, self.by_worker)
            busy = [_busy(state, worker, run_times, now_ms) for worker in workers]
            reservation = reserve(head, busy, state.pools, now_ms, patience_ms=ageing.reserve_after_ms)
            if reservation is not None:
                self.by_worker[reservation.worker] = reservation

    @property
    def _aged(self) -> int:
        return sum(not reservation.preempts for reservation in self.by_worker.values())


def _each_in_turn(heads: Iterable[QueuedClass], held: Collection[ClassId], most: int) -> list[QueuedClass]:
    """One job of each class, oldest first, then a second one of each, as far as there are any without a reservation."""
    left = [(head, head.count - list(held).count(head.class_id)) for head in heads]
    return [head for turn in range(most) for head, count in left if count > turn]


def _stays(worker: WorkerLife) -> bool:
    return worker.serves and not worker.probing


def _candidates(state: EngineState, head: QueuedClass, taken: Collection[WorkerName]) -> list[WorkerLife]:
    request = head.job_class.request
    found = [
        worker
        for name, worker in state.workers.items()
        if _stays(worker) and name not in taken and request.fits_in(worker.spec.allocatable)
    ]
    if len(found) <= LOOK_MAX:
        return found
    return nlargest(LOOK_MAX, found, key=lambda worker: (worker.free, worker.spec.name))


def open_worker(worker: WorkerLife, work_left_ms: int = 0) -> OpenWorker:
    return OpenWorker(
        name=worker.spec.name,
        pool=worker.spec.pool,
        free=worker.free,
        free_slots=min(worker.free_slots, 1) if worker.probing else worker.free_slots,
        labels=worker.spec.labels,
        taints=worker.spec.taints,
        requested_at_ms=worker.requested_at_ms,
        work_left_ms=work_left_ms,
    )


def _busy(state: EngineState, worker: WorkerLife, run_times: RunTimes, now_ms: int) -> BusyWorker:
    endings = []
    for attempt in worker.live.values():
        job_class = state.classes[attempt.class_id]
        elapsed_ms = max(0, now_ms - attempt.assigned_at_ms)
        residual_ms = run_times.guess(kinds_of(job_class)).residual_ms(ENDS_BY, elapsed_ms)
        if job_class.timeout_s is not None:
            residual_ms = min(residual_ms, max(0, int(job_class.timeout_s * 1000) - elapsed_ms))
        endings.append((now_ms + residual_ms, job_class.request))
    return BusyWorker(
        worker=open_worker(worker),
        size=worker.spec.allocatable,
        slots=worker.spec.slots,
        endings=tuple(endings),
    )


def backfill_ms(run_times: RunTimes, job_class: JobClass) -> int:
    """What a job of the class is taken to need when it is to end before a reservation."""
    expected_ms = run_times.guess(kinds_of(job_class)).quantile_ms(BACKFILL_ENDS_BY)
    return expected_ms if job_class.timeout_s is None else min(expected_ms, int(job_class.timeout_s * 1000))
