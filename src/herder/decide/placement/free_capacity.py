"""The free capacity of the workers in one placement, and what has been placed there.

Used by `place` only. Read `FreeCapacity.fill_priority`: `drf` says how many jobs each user may start and `pack`
finds the places; what `pack` could not place goes back and is offered to the others, so that no usable room stays empty.
It must never put more on a worker than is free there, in any resource or in slots.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from herder.decide.eligibility.matching import Kinds, kind_of_worker
from herder.decide.packing.pack import Bin, ItemGroup, Packing, pack
from herder.decide.placement.drf import Contender, Queue, Volume, grant, share_of, share_places
from herder.decide.placement.water_filling import Claim, water_fill
from herder.model.fleet.pool import PoolSpec, Taint
from herder.model.ids import ClassId, PoolName, UserName, WorkerName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import ZERO, Resources

#: Rounds of granting and packing in one priority, before what is left is packed without regard to shares. Each round is
#: caused by room that is there in sum but in no one place; two or three are usual.
ROUNDS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWorker:
    """A worker that takes work now, with what is free on it."""

    name: WorkerName
    pool: PoolName
    free: Resources
    free_slots: int
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[Taint, ...] = ()
    requested_at_ms: int = 0
    work_left_ms: int = 0
    """How long it will probably have work (`work_left`)."""

    @property
    def rank(self) -> tuple[int, int, WorkerName]:
        """Workers are filled in this order: what will live longest anyway, of equals the oldest."""
        return -self.work_left_ms, self.requested_at_ms, self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    class_id: ClassId
    worker: WorkerName
    count: int


#: (place in the list of queues, bin key, how many).
_Put = tuple[int, int, int]


class FreeCapacity:
    """What is free on the workers, and what has been put there in this call."""

    def __init__(self, workers: Iterable[OpenWorker], pools: Mapping[PoolName, PoolSpec]) -> None:
        self._kinds = Kinds()
        self._workers = sorted(workers, key=lambda worker: worker.rank)
        self._put: dict[tuple[ClassId, int], int] = {}
        numbers: dict[tuple[object, ...], int] = {}
        self._bins: list[Bin] = []
        for key, worker in enumerate(self._workers):
            pool = pools.get(worker.pool)
            if pool is None or worker.free_slots <= 0:
                continue
            looks = (worker.pool, worker.labels, worker.taints)
            number = numbers.get(looks)
            if number is None:
                number = numbers[looks] = self._kinds.number(
                    kind_of_worker(pool, worker.labels, worker.taints)
                )
            self._bins.append(Bin(key=key, kind=number, free=worker.free, slots=worker.free_slots))
        self._most = _most_free(self._bins)

    def hopeful(self, waiting: Iterable[QueuedClass]) -> list[tuple[QueuedClass, Queue]]:
        """The classes of which one job would fit on some worker if the worker were asked first."""
        known: dict[tuple[Resources, frozenset[int]], bool] = {}
        result = []
        for queued in waiting:
            request, allowed = queued.job_class.request, self._kinds.allowed(queued.job_class)
            fits = known.get((request, allowed))
            if fits is None:
                fits = known[request, allowed] = self._might_fit(request, allowed)
            if fits:
                queue = Queue(
                    class_id=queued.class_id,
                    request=request,
                    left=queued.count,
                    ready_at_ms=queued.oldest_ready_at_ms,
                    allowed=allowed,
                )
                result.append((queued, queue))
        return result

    def _might_fit(self, request: Resources, allowed: frozenset[int]) -> bool:
        return any(kind in self._most and request.fits_in(self._most[kind]) for kind in allowed)

    def take_all(self, queues: Sequence[Queue]) -> bool:
        """Place everything, if that is possible; then shares do not matter. Else change nothing."""
        volumes = self._volumes().values()
        slots = sum(volume.slots for volume in volumes)
        if sum(queue.left for queue in queues) > slots:
            return False
        asked, free = ZERO, ZERO
        for queue in queues:
            asked = asked.plus(queue.request.times(queue.left))
        for volume in volumes:
            free = free.plus(volume.free)
        if not asked.fits_in(free):
            return False
        packing = self._try([(queue, queue.left) for queue in queues])
        if packing.unplaced:
            return False
        self._put_all(queues, [(packed.item_key, packed.bin_key, packed.count) for packed in packing.placed])
        return True

    def fill_priority(self, contenders: Sequence[Contender], total: Resources) -> dict[UserName, int]:
        """Start what can be started of these; returns what each of their users is owed afterwards."""
        before = [(contender, contender.used, contender.queues) for contender in contenders]
        stuck: set[tuple[Resources, frozenset[int]]] = set()
        for _ in range(ROUNDS_MAX):
            open_now = _still_open(contenders, stuck)
            if not open_now:
                break
            grant(open_now, self._volumes(), total)
            granted = [
                (contender, queue) for contender in open_now for queue in contender.queues if queue.granted
            ]
            unplaced = self._pack(granted, [queue.granted for _, queue in granted], total)
            for contender, queue in granted:
                queue.granted = 0
                missing = unplaced.get(queue.class_id, 0)
                if missing:
                    contender.used = contender.used.minus(queue.request.times(missing))
                    stuck.add((queue.request, queue.allowed))
            if not unplaced:
                break
        else:
            self._pack_rest(_still_open(contenders, stuck), total)
        return _owed(before, total)

    def _pack_rest(self, contenders: Sequence[Contender], total: Resources) -> None:
        rest = [(contender, queue) for contender in contenders for queue in contender.queues]
        counts = [queue.left for _, queue in rest]
        unplaced = self._pack(rest, counts, total)
        for (contender, queue), count in zip(rest, counts, strict=True):
            contender.used = contender.used.plus(queue.request.times(count - unplaced.get(queue.class_id, 0)))

    def _volumes(self) -> dict[int, Volume]:
        volumes: dict[int, Volume] = {}
        for target in self._bins:
            volume = volumes.get(target.kind)
            if volume is None:
                volumes[target.kind] = Volume(target.free, target.slots)
            else:
                volume.free = volume.free.plus(target.free)
                volume.slots += target.slots
        return volumes

    def _pack(
        self, turns: Sequence[tuple[Contender, Queue]], counts: Sequence[int], total: Resources
    ) -> dict[ClassId, int]:
        """Put so many of each on the workers; returns what found no place. Places that are too few for equal jobs of
        several users are shared between them anew: `pack` does not know whose a job is."""
        queues = [queue for _, queue in turns]
        packing = self._try(list(zip(queues, counts, strict=True)))
        placed = [(packed.item_key, packed.bin_key, packed.count) for packed in packing.placed]
        for shape in dict.fromkeys((queues[key].request, queues[key].allowed) for key, _ in packing.unplaced):
            members = [key for key, queue in enumerate(queues) if (queue.request, queue.allowed) == shape]
            if len(members) > 1:
                asked = [(*turns[key], counts[key]) for key in members]
                placed = _relabel(placed, members, share_places(asked, _sum_of(placed, members), total))
        self._put_all(queues, placed)
        missing = list(counts)
        for key, _, count in placed:
            missing[key] -= count
        return {queue.class_id: count for queue, count in zip(queues, missing, strict=True) if count > 0}

    def _try(self, wanted: Sequence[tuple[Queue, int]]) -> Packing:
        items = [
            ItemGroup(key=key, size=queue.request, count=count, allowed=queue.allowed)
            for key, (queue, count) in enumerate(wanted)
        ]
        return pack(items, self._bins)

    def _put_all(self, queues: Sequence[Queue], placed: Iterable[_Put]) -> None:
        """Changes `left` of the queues and what is free in the bins."""
        taken: dict[int, tuple[Resources, int]] = {}
        for key, bin_key, count in placed:
            queue = queues[key]
            queue.left -= count
            where = (queue.class_id, bin_key)
            self._put[where] = self._put.get(where, 0) + count
            size, slots = taken.get(bin_key, (ZERO, 0))
            taken[bin_key] = size.plus(queue.request.times(count)), slots + count
        self._bins = [less for full in self._bins if (less := _less(full, taken.get(full.key))) is not None]

    def assignments(self) -> tuple[Assignment, ...]:
        return tuple(
            Assignment(class_id=class_id, worker=self._workers[key].name, count=count)
            for (class_id, key), count in sorted(self._put.items())
        )


def _sum_of(placed: Iterable[_Put], keys: Sequence[int]) -> int:
    wanted = set(keys)
    return sum(count for key, _, count in placed if key in wanted)


def _relabel(placed: Iterable[_Put], keys: Sequence[int], quotas: Sequence[int]) -> list[_Put]:
    """The places of `keys`, which are interchangeable, given out again: to each its quota. All places are used."""
    members = set(keys)
    result: list[_Put] = []
    places: list[_Put] = []
    for put in placed:
        (places if put[0] in members else result).append(put)
    turn = iter([(bin_key, count) for _, bin_key, count in places])
    bin_key, left = -1, 0
    for key, quota in zip(keys, quotas, strict=True):
        missing = quota
        while missing > 0:
            if left == 0:
                bin_key, left = next(turn)
            part = min(missing, left)
            result.append((key, bin_key, part))
            missing, left = missing - part, left - part
    return result


def _less(full: Bin, taken: tuple[Resources, int] | None) -> Bin | None:
    """The bin without what was taken; None when it has no slot left."""
    if taken is None:
        return full
    size, slots = taken
    if slots == full.slots:
        return None
    return Bin(key=full.key, kind=full.kind, free=full.free.minus(size), slots=full.slots - slots)


def _most_free(bins: Iterable[Bin]) -> dict[int, Resources]:
    """By kind, the most of each resource that is free on any one worker."""
    most: dict[int, Resources] = {}
    for each in bins:
        have = most.get(each.kind)
        most[each.kind] = each.free if have is None else have.most(each.free)
    return most


def _still_open(
    contenders: Iterable[Contender], stuck: set[tuple[Resources, frozenset[int]]]
) -> list[Contender]:
    """Who still has jobs that were not found to fit nowhere; the others leave the round."""
    result = []
    for contender in contenders:
        if stuck or any(queue.left == 0 for queue in contender.queues):
            contender.queues = [
                queue
                for queue in contender.queues
                if queue.left > 0 and (queue.request, queue.allowed) not in stuck
            ]
        if contender.queues:
            result.append(contender)
    return result


def _owed(
    before: Sequence[tuple[Contender, Resources, list[Queue]]], total: Resources
) -> dict[UserName, int]:
    """What each got is compared with what it was due of the same sum; the difference is carried, up to two jobs' worth,
    so that nobody can save up a claim by asking for what never fits."""
    if len(before) < 2:
        return {}
    claims, got, largest = [], {}, 0
    for contender, used, queues in before:
        held = share_of(used, total)
        got[contender.user] = share_of(contender.used, total) - held
        missing = 0
        for queue in queues:
            missing += queue.worth * queue.left
            largest = max(largest, queue.worth)
        claims.append(
            Claim(
                user=contender.user, weight=contender.weight, used=held, wanted=got[contender.user] + missing
            )
        )
    due = water_fill(sum(got.values()), claims).grants
    bound = 2 * largest
    return {
        contender.user: max(-bound, min(bound, contender.owed + due[contender.user] - got[contender.user]))
        for contender, _, _ in before
    }
