"""Fair share between users: weighted dominant-resource max-min, over the sum of the free capacity.

Called by placement, once per priority and round. It says how many jobs of which class each user may start; `pack` then
finds the places. A user's level is the largest part of the fleet it holds in any one resource, for its weight, less what
it is owed from earlier rounds; the lowest level always goes next, within a user the oldest class. It never leaves room
unused that somebody could use: who cannot use a turn falls out and the others go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace

from herder.decide.placement.water_filling import PARTS, Claim, water_fill
from herder.model.ids import ClassId, UserName
from herder.model.values.resources import ZERO, Resources
from herder.model.values.vectors import pairs, total_of

#: The whole fleet, in the integers that shares are counted in.
WHOLE = 2**40


@dataclass(slots=True)
class Queue:
    """The jobs of one class that wait. `kinds`: where they may run, the least contested first."""

    class_id: ClassId
    request: Resources
    left: int
    ready_at_ms: int
    allowed: frozenset[int]
    kinds: tuple[int, ...] = ()
    worth: int = 0
    """The dominant share of one job."""
    granted: int = 0
    """In the current round."""


@dataclass(slots=True)
class Contender:
    """A user with something waiting, at one priority."""

    user: UserName
    weight: int
    used: Resources
    owed: int
    queues: list[Queue] = field(default_factory=list)
    """Oldest first."""
    turn: int = 0

    def level(self, total: Resources, jobs: int) -> int:
        """The number of jobs counts for next to nothing, but makes the level of jobs that ask for nothing rise."""
        return (share_of(self.used, total) - self.owed + jobs) * WHOLE // self.weight


@dataclass(slots=True)
class Volume:
    """What is free in all bins of one kind together."""

    free: Resources
    slots: int


def share_of(amount: Resources, total: Resources) -> int:
    """The dominant share, in parts of WHOLE. A resource that the fleet does not have has no share."""
    return amount.largest_part(total, WHOLE)


def grant(contenders: Sequence[Contender], volumes: dict[int, Volume], total: Resources) -> None:
    """Raise `granted` of the queues, and `used` of the contenders with it, until no queue fits into what is left."""
    _rank_kinds(contenders)
    for contender in contenders:
        contender.turn = 0
    if len(contenders) == 1:
        for queue in contenders[0].queues:
            _give(contenders[0], queue, queue.left, volumes)
        return
    heap = [(contender.level(total, 0), contender.user, contender) for contender in contenders]
    heapify(heap)
    given: dict[UserName, int] = {}
    until_measured = quantum = 0
    while heap:
        if until_measured == 0:
            quantum, until_measured = _quantum([entry[2] for entry in heap], volumes, total), len(heap)
        until_measured -= 1
        contender = heap[0][2]
        count = _take_turn(contender, quantum, volumes)
        if count == 0:
            heappop(heap)
            continue
        given[contender.user] = given.get(contender.user, 0) + count
        heapreplace(heap, (contender.level(total, given[contender.user]), contender.user, contender))


def share_places(members: Sequence[tuple[Contender, Queue, int]], places: int, total: Resources) -> list[int]:
    """How many of `places` for equal jobs each member gets, of the count it wants: whoever holds least goes first."""
    granted: dict[UserName, int] = {}
    wanted: dict[UserName, int] = {}
    owners = {contender.user: contender for contender, _, _ in members}
    for contender, queue, count in members:
        granted[contender.user] = granted.get(contender.user, 0) + queue.granted
        wanted[contender.user] = wanted.get(contender.user, 0) + count
    request, worth = members[0][1].request, members[0][1].worth + 1
    claims, owed = [], {}
    for user, contender in owners.items():
        held = share_of(contender.used.minus(request.times(granted[user])), total)
        claims.append(Claim(user=user, weight=contender.weight, used=held // worth, wanted=wanted[user]))
        owed[user] = contender.owed * PARTS // worth
    left = water_fill(places, claims, owed).grants
    quotas = []
    for contender, _, count in members:
        quota = min(count, left[contender.user])
        left[contender.user] -= quota
        quotas.append(quota)
    return quotas


def _take_turn(contender: Contender, quantum: int, volumes: dict[int, Volume]) -> int:
    """Give the oldest class that still fits about a quantum's worth, at least one job. 0 when nothing fits."""
    while contender.turn < len(contender.queues):
        queue = contender.queues[contender.turn]
        if queue.left > queue.granted:
            count = max(1, quantum * contender.weight // (queue.worth + 1))
            given = _give(contender, queue, count, volumes)
            if given:
                return given
        contender.turn += 1
    return 0


def _give(contender: Contender, queue: Queue, count: int, volumes: dict[int, Volume]) -> int:
    count = min(count, queue.left - queue.granted)
    given = 0
    for kind in queue.kinds:
        volume = volumes.get(kind)
        if volume is None:
            continue
        part = min(count - given, volume.slots, queue.request.how_many_in(volume.free))
        if part > 0:
            volume.free = volume.free.minus(queue.request.times(part))
            volume.slots -= part
            given += part
        if given == count:
            break
    if given:
        queue.granted += given
        contender.used = contender.used.plus(queue.request.times(given))
    return given


def _quantum(contenders: Sequence[Contender], volumes: dict[int, Volume], total: Resources) -> int:
    """How far each may rise at one go, for each unit of weight: so little that half of what is free stays for evening
    out. It shrinks with what is free, down to one job at a time, so nobody ends more than about a job ahead."""
    asked, smallest = ZERO, WHOLE
    for contender in contenders:
        for queue in contender.queues[contender.turn : contender.turn + 1]:
            asked = asked.most(queue.request)
            smallest = min(smallest, queue.worth)
    free = total_of((volume.free for volume in volumes.values()), ZERO)
    rest = min(
        (
            have * WHOLE // there
            for (have, there), ask in zip(pairs(free, total), asked, strict=False)
            if ask and there > 0
        ),
        default=0,
    )
    # Slots may be what is short: small jobs use them up long before anything else.
    rest = min(rest, sum(volume.slots for volume in volumes.values()) * (smallest + 1))
    return rest // (2 * sum(contender.weight for contender in contenders))


def _rank_kinds(contenders: Sequence[Contender]) -> None:
    """Let each queue draw first on the kinds that the fewest queues may use."""
    queues = [queue for contender in contenders for queue in contender.queues]
    wide = {queue.allowed for queue in queues}
    if len(wide) == 1:
        order = tuple(sorted(wide.pop()))
        for queue in queues:
            queue.kinds = order
        return
    contest: dict[int, int] = {}
    for queue in queues:
        for kind in queue.allowed:
            contest[kind] = contest.get(kind, 0) + 1
    orders = {allowed: tuple(sorted(allowed, key=lambda kind: (contest[kind], kind))) for allowed in wide}
    for queue in queues:
        queue.kinds = orders[queue.allowed]
