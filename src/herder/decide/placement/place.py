"""Places waiting jobs on free workers.

Called by the engine on every exchange that freed capacity, usually with one worker or a few, and by simulations. Read
`_place`, then `FreeCapacity.fill_priority`: the more urgent priority first; within it users by their shares and by how long they
wait. `_Around` does the same beside reservations: the job a place is kept for goes first, others take what they
can have without delaying it. It must never put more on a worker than is free there, in any resource or in slots.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from herder.decide.eligibility.matching import kind_of_worker, may_use_kind
from herder.decide.packing.pack import Bin, ItemGroup, pack
from herder.decide.placement.ageing import NEVER, Ageing
from herder.decide.placement.drf import Contender, Queue, share_of
from herder.decide.placement.free_capacity import Assignment, FreeCapacity, OpenWorker
from herder.decide.placement.reservations import Reservation
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import ClassId, PoolName, UserName, WorkerName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass

__all__ = ["Assignment", "OpenWorker", "PendingClass", "Placement", "UserShare", "place"]

#: The same noun as in `Observed`: jobs of one class that are ready and have no attempt.
PendingClass = QueuedClass


@dataclass(frozen=True, slots=True, kw_only=True)
class UserShare:
    """What a user is due and what its live attempts hold. Users who are not named have weight 1 and hold nothing."""

    user: UserName
    weight: int = 1
    used: Resources = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`left`: by class, what stays in the queue. `deficits` goes into the next call: what each user is still owed, in
    parts of `dominant_share.WHOLE`; who has nothing waiting is owed nothing. `kept`: workers whose reservation was used."""

    assignments: tuple[Assignment, ...]
    left: dict[ClassId, int]
    deficits: dict[UserName, int]
    kept: tuple[WorkerName, ...] = ()


def place(
    pending: Iterable[PendingClass],
    workers: Iterable[OpenWorker],
    shares: Iterable[UserShare] = (),
    *,
    total: Resources,
    deficits: Mapping[UserName, int] | None = None,
    pools: Mapping[PoolName, PoolSpec],
    now_ms: int = 0,
    ageing: Ageing = NEVER,
    reservations: Mapping[WorkerName, Reservation] | None = None,
    expected_ms: Callable[[JobClass], int] | None = None,
) -> Placement:
    """`total`: what all workers together have, free or not; shares are parts of it. `reservations`: reservations, renewed for
    now. `expected_ms`: how long jobs of a class surely do not exceed by much; without it nothing runs before a hold."""
    waiting = [queued for queued in pending if queued.count > 0]
    known = {share.user: share for share in shares}
    call = _Call(total=total, pools=pools, now_ms=now_ms, ageing=ageing)
    if reservations:
        around = _Around(call, waiting, list(workers), known, dict(deficits or {}), dict(reservations))
        return around.place(expected_ms)
    if len(waiting) == 1:
        there = list(workers)
        return _all_of_one(waiting[0], there, pools) or _place(call, waiting, there, known, deficits or {})
    return _place(call, waiting, workers, known, deficits or {})


def _all_of_one(
    queued: PendingClass, workers: Sequence[OpenWorker], pools: Mapping[PoolName, PoolSpec]
) -> Placement | None:
    """One class alone, and room for all of it: nobody's share is touched by that, so it is only packed, as `FreeCapacity` would.
    None when something would be left."""
    ordered = sorted(workers, key=lambda worker: worker.rank)
    usable: dict[tuple[object, ...], bool] = {}
    bins = []
    for key, worker in enumerate(ordered):
        if worker.free_slots <= 0:
            continue
        looks = worker.pool, worker.labels, worker.taints
        may = usable.get(looks)
        if may is None:
            pool = pools.get(worker.pool)
            may = usable[looks] = pool is not None and may_use_kind(
                queued.job_class, kind_of_worker(pool, worker.labels, worker.taints)
            )
        if may:
            bins.append(Bin(key=key, kind=0, free=worker.free, slots=worker.free_slots))
    packing = pack([ItemGroup(key=0, size=queued.job_class.request, count=queued.count)], bins)
    if packing.unplaced:
        return None
    assignments = tuple(
        Assignment(class_id=queued.class_id, worker=ordered[packed.bin_key].name, count=packed.count)
        for packed in packing.placed
    )
    return Placement(assignments=assignments, left={}, deficits={})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What stays the same throughout."""

    total: Resources
    pools: Mapping[PoolName, PoolSpec]
    now_ms: int
    ageing: Ageing


def _place(
    call: _Call,
    waiting: Sequence[PendingClass],
    workers: Iterable[OpenWorker],
    known: dict[UserName, UserShare],
    deficits: Mapping[UserName, int],
) -> Placement:
    """Adds to `known` what each user has got."""
    free_capacity = FreeCapacity(workers, call.pools)
    left = {queued.class_id: queued.count for queued in waiting}
    hopeful = free_capacity.hopeful(waiting)
    owed = dict(deficits)
    if hopeful and not free_capacity.take_all([queue for _, queue in hopeful]):
        for priority in sorted({queued.job_class.priority for queued, _ in hopeful}, reverse=True):
            mine = [(queued, queue) for queued, queue in hopeful if queued.job_class.priority == priority]
            contenders = _contenders(mine, known, owed, call)
            owed.update(free_capacity.fill_priority(contenders, call.total))
            for contender in contenders:
                user = contender.user
                weight = known[user].weight if user in known else 1
                known[user] = UserShare(user=user, weight=weight, used=contender.used)
    left.update((queue.class_id, queue.left) for _, queue in hopeful)
    left = {class_id: count for class_id, count in left.items() if count > 0}
    return Placement(
        assignments=free_capacity.assignments(),
        left=left,
        deficits=_still_owed(owed, waiting, left) if owed else {},
    )


def _still_owed(
    owed: Mapping[UserName, int], waiting: Iterable[PendingClass], left: Mapping[ClassId, int]
) -> dict[UserName, int]:
    users = {queued.job_class.user for queued in waiting if queued.class_id in left}
    return {user: owed[user] for user in sorted(users) if owed.get(user)}


def _contenders(
    queues: Iterable[tuple[QueuedClass, Queue]],
    shares: Mapping[UserName, UserShare],
    deficits: Mapping[UserName, int],
    call: _Call,
) -> list[Contender]:
    found: dict[UserName, Contender] = {}
    worth: dict[Resources, int] = {}
    for queued, queue in queues:
        user = queued.job_class.user
        contender = found.get(user)
        if contender is None:
            share = shares.get(user)
            contender = found[user] = Contender(
                user=user,
                weight=max(1, share.weight) if share else 1,
                used=share.used if share else ZERO,
                owed=deficits.get(user, 0),
            )
        if queue.request not in worth:
            worth[queue.request] = share_of(queue.request, call.total)
        queue.worth = worth[queue.request]
        contender.queues.append(queue)
    for contender in found.values():
        contender.queues.sort(key=lambda queue: (queue.ready_at_ms, queue.class_id))
        if call.ageing.age_after_ms:
            contender.weight *= call.ageing.weight(call.now_ms - contender.queues[0].ready_at_ms)
    return sorted(found.values(), key=lambda contender: contender.user)


class _Around:
    """One placement beside reservations, in three steps; what one step took is gone for the next."""

    def __init__(
        self,
        call: _Call,
        waiting: list[PendingClass],
        workers: list[OpenWorker],
        known: dict[UserName, UserShare],
        deficits: dict[UserName, int],
        reservations: dict[WorkerName, Reservation],
    ) -> None:
        self._call = call
        self._waiting = {queued.class_id: queued for queued in waiting}
        self._workers = {worker.name: worker for worker in sorted(workers, key=lambda worker: worker.rank)}
        self._known = known
        self._deficits = deficits
        self._holds = reservations
        self._put: dict[tuple[ClassId, WorkerName], int] = {}
        self._kept: list[WorkerName] = []

    def place(self, expected_ms: Callable[[JobClass], int] | None) -> Placement:
        for reservation in sorted(
            self._holds.values(), key=lambda reservation: (reservation.made_at_ms, reservation.worker)
        ):
            self._start_head(reservation)
        self._step([self._beside(worker) for worker in self._workers.values()], self._waiting.values())
        owed = self._deficits
        if expected_ms is not None:
            for name, reservation in self._holds.items():
                room_ms = reservation.room_until(self._call.now_ms)
                if room_ms > 0 and name in self._workers:
                    short = [q for q in self._waiting.values() if expected_ms(q.job_class) <= room_ms]
                    self._step([self._workers[name]], short)
        left = {class_id: queued.count for class_id, queued in self._waiting.items()}
        return Placement(
            assignments=tuple(
                Assignment(class_id=class_id, worker=worker, count=count)
                for (class_id, worker), count in sorted(self._put.items())
            ),
            left=left,
            deficits=_still_owed(owed, self._waiting.values(), left),
            kept=tuple(self._kept),
        )

    def _start_head(self, reservation: Reservation) -> None:
        """On its own worker, or on any other where nobody else has a reservation."""
        head = self._waiting.get(reservation.class_id)
        if head is None:
            return
        mine = self._workers.get(reservation.worker)
        others = (worker for worker in self._workers.values() if worker.name not in self._holds)
        for worker in (*([mine] if mine else ()), *others):
            if self._takes(worker, head.job_class):
                del self._holds[reservation.worker]
                self._kept.append(reservation.worker)
                self._take(reservation.class_id, worker.name, 1)
                user = head.job_class.user
                share = self._known.get(user, UserShare(user=user))
                self._known[user] = replace(share, used=share.used.plus(reservation.request))
                return

    def _takes(self, worker: OpenWorker, job_class: JobClass) -> bool:
        pool = self._call.pools.get(worker.pool)
        if pool is None or worker.free_slots < 1 or not job_class.request.fits_in(worker.free):
            return False
        return may_use_kind(job_class, kind_of_worker(pool, worker.labels, worker.taints))

    def _beside(self, worker: OpenWorker) -> OpenWorker:
        """What of it anybody may use for any time."""
        reservation = self._holds.get(worker.name)
        if reservation is None:
            return worker
        spare = worker.free.least(reservation.spare)
        return replace(worker, free=spare, free_slots=min(worker.free_slots, reservation.spare_slots))

    def _step(self, workers: list[OpenWorker], waiting: Iterable[PendingClass]) -> None:
        placement = _place(self._call, list(waiting), workers, self._known, self._deficits)
        for item in placement.assignments:
            self._take(item.class_id, item.worker, item.count)

    def _take(self, class_id: ClassId, name: WorkerName, count: int) -> None:
        queued, worker = self._waiting[class_id], self._workers[name]
        self._put[class_id, name] = self._put.get((class_id, name), 0) + count
        self._workers[name] = replace(
            worker,
            free=worker.free.minus(queued.job_class.request.times(count)),
            free_slots=worker.free_slots - count,
        )
        if queued.count > count:
            self._waiting[class_id] = replace(queued, count=queued.count - count)
        else:
            del self._waiting[class_id]
