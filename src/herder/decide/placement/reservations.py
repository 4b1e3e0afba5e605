"""A place that is reserved for a job that has waited too long: on which worker, from when, and what other jobs may use until then.

`reserve` chooses the worker where the job can start soonest, from the expected ends of what runs there; `renew` says the
same of the chosen one a moment later. Until the time that was promised first, others may run beside and before it where
they do not delay it; after it, expectations were wrong, and others may only use what the job leaves over of the whole
worker: then it starts at the latest when what runs there now has ended. Called by `scheduler/reservations.py` and simulations.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from herder.decide.eligibility.matching import kind_of_worker, may_use_kind
from herder.decide.placement.free_capacity import OpenWorker
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import ClassId, PoolName, WorkerName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyWorker:
    """A worker that takes work, all of it taken or not. `endings`: when each live attempt is expected to end, and what
    that frees; in any order. Who knows nothing of an attempt expects it late, so that the worker counts as slow to drain."""

    worker: OpenWorker
    size: Resources
    slots: int
    endings: tuple[tuple[int, Resources], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """One job of the class may start on the worker before anything else does."""

    class_id: ClassId
    worker: WorkerName
    request: Resources
    made_at_ms: int
    starts_at_ms: int
    promised_ms: int
    """What was expected when the place was chosen: backfill ends then."""
    spare: Resources
    """What others may take of what is free, for however long."""
    spare_slots: int
    preempts: bool = False
    """Attempts were asked to stop for it, so nobody else is to have what they leave."""

    def room_until(self, now_ms: int) -> int:
        """Milliseconds for which others may use what is free and not spare."""
        return self.starts_at_ms - now_ms if now_ms < self.promised_ms else 0


def reserve(
    head: QueuedClass,
    workers: Iterable[BusyWorker],
    pools: Mapping[PoolName, PoolSpec],
    now_ms: int,
    *,
    patience_ms: int,
) -> Reservation | None:
    """None when no worker is large enough. `patience_ms`: no later than this after now does backfill end."""
    best: tuple[int, int, WorkerName] | None = None
    chosen: BusyWorker | None = None
    for busy in workers:
        worker = busy.worker
        request = head.job_class.request
        pool = pools.get(worker.pool)
        if pool is None or not request.fits_in(busy.size) or busy.slots < 1:
            continue
        if not may_use_kind(head.job_class, kind_of_worker(pool, worker.labels, worker.taints)):
            continue
        starts = _starts_at(request, busy, now_ms)
        if starts is None:
            continue
        rank = (starts, worker.requested_at_ms, worker.name)
        if best is None or rank < best:
            best, chosen = rank, busy
    if best is None or chosen is None:
        return None
    reservation = Reservation(
        class_id=head.class_id,
        worker=chosen.worker.name,
        request=head.job_class.request,
        made_at_ms=now_ms,
        starts_at_ms=best[0],
        promised_ms=now_ms + patience_ms,
        spare=chosen.worker.free,
        spare_slots=chosen.worker.free_slots,
    )
    return renew(reservation, chosen, now_ms)


def renew(reservation: Reservation, busy: BusyWorker, now_ms: int) -> Reservation:
    """The same reservation as things stand now."""
    free, slots = busy.worker.free, busy.worker.free_slots
    starts = _starts_at(reservation.request, busy, now_ms)
    if starts is None or now_ms >= reservation.promised_ms:
        return replace(
            reservation,
            starts_at_ms=now_ms if starts is None else starts,
            spare=free.beyond(reservation.request),
            spare_slots=max(0, slots - 1),
        )
    then, then_slots = free, slots
    for at_ms, amount in busy.endings:
        if at_ms <= starts:
            then, then_slots = then.plus(amount), then_slots + 1
    beside = then.beyond(reservation.request)
    return replace(
        reservation,
        starts_at_ms=starts,
        spare=beside.least(free),
        spare_slots=max(0, min(slots, then_slots - 1)),
    )


def _starts_at(request: Resources, busy: BusyWorker, now_ms: int) -> int | None:
    """When the request first fits, if nothing else is started there."""
    free, slots = busy.worker.free, busy.worker.free_slots
    if slots > 0 and request.fits_in(free):
        return now_ms
    for at_ms, amount in sorted(busy.endings):
        free, slots = free.plus(amount), slots + 1
        if slots > 0 and request.fits_in(free):
            return max(now_ms, at_ms)
    return None
