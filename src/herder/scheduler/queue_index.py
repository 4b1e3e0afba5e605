"""An index of the waiting jobs, updated from pass to pass, so that a pass for one freed worker looks at few classes.

Used by `placement.py`. Users stand in the order in which fair shares serve them. At most as many jobs can start as the freed
room holds of the smallest, so only so many users of lowest level, with the classes of theirs that fit, can get anything
in this pass; the others need not be looked at. Where very many classes wait, a pass is handed a bounded part of them: the
first of those who stand first, and others in turn. It decides nothing: `decide.placement.place` does, from what is handed to it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from herder.decide.eligibility.matching import Kind, asked_of_places, kind_of_worker, may_use_kind
from herder.decide.placement.ageing import Ageing
from herder.decide.placement.drf import WHOLE, share_of
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.ids import ClassId, UserName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass
from herder.scheduler.queue_heads import Heads

#: Levels change with time alone (ageing, weights set by hand); so often they are all worked out again.
REFRESH_MS = 2_000
#: Classes that one pass places at most; its cost grows with more than their square.
LOOK_MAX = 256
#: Classes that are asked whether they fit, for a few freed workers.
SELECT_MAX = 2_048
#: Of one user, if others of the same priority wait.
EACH_LEAST = 4
#: Answers to "may this shape use that kind" that are kept.
KNOWN_MAX = 50_000

#: Shapes of classes that are remembered, if no more than half as many wait; else twice as many as wait.
SHAPES_MAX = 10_000

_Place = tuple[int, UserName]
#: Sorts users of one priority: level, then who was served, or came to wait, longest ago.
_Rank = tuple[int, int]


@dataclass(slots=True)
class QueueIndex:
    total: Resources = ZERO
    """What all workers together have."""
    _classes: dict[_Place, dict[ClassId, int]] = field(default_factory=dict)
    """By priority and user: classes with the number of their shape."""
    _order: dict[int, list[tuple[_Rank, UserName]]] = field(default_factory=dict)
    """By priority: users by rank."""
    _level: dict[_Place, _Rank] = field(default_factory=dict)
    _served: dict[_Place, int] = field(default_factory=dict)
    """Turns, of those who wait: among equals nobody goes twice before all have gone once."""
    _turns: int = 0
    size: int = 0
    """Classes, with some that have become empty and were not looked at since."""
    _oldest: dict[_Place, int] = field(default_factory=dict)
    """When the oldest job of each place became ready, as it was at the last refresh; only of those with very many classes."""
    _shapes: dict[object, int] = field(default_factory=dict)
    _like: list[JobClass] = field(default_factory=list)
    """By number of shape: one class that has it."""
    least: Resources | None = None
    """No shape that is remembered asks for less, in any resource."""
    _heads: Heads = field(default_factory=Heads)
    _shapes_max: int = SHAPES_MAX
    _may_use: dict[tuple[int, Kind], bool] = field(default_factory=dict)
    _refresh_at_ms: int = 0
    _fleet: tuple[int, int] = (-1, -1)

    @property
    def empty(self) -> bool:
        return not self._classes

    def update(
        self, state: EngineState, deficits: Mapping[UserName, int], ageing: Ageing, now_ms: int
    ) -> None:
        """Take in what has changed since the last pass."""
        for class_id in state.stirred_queues:
            self._add(state, class_id)
        state.stirred_queues.clear()
        fleet = (state.fleet_version, len(state.workers))
        if fleet != self._fleet or now_ms >= self._refresh_at_ms:
            if fleet != self._fleet:
                self.total = _total(state)
            self._fleet, self._refresh_at_ms = fleet, now_ms + REFRESH_MS
            self._oldest.clear()
            places = list(self._classes)
        else:
            users = state.stirred_users
            places = [
                place
                for priority in self._order
                for user in users
                if (place := (priority, user)) in self._classes
            ]
            places += [place for place in self._classes if place not in self._level]
        state.stirred_users.clear()
        for place in places:
            self._rank(state, place, deficits, ageing, now_ms)

    def _add(self, state: EngineState, class_id: ClassId) -> None:
        queue = state.queues.get(class_id)
        if queue is None or not queue.count:
            return
        job_class = state.classes[class_id]
        place = (job_class.priority, job_class.user)
        mine = self._classes.get(place)
        if mine is None:
            mine = self._classes[place] = {}
            self._turns += 1
            self._served[place] = self._turns
        if class_id in mine:
            return
        looks = (job_class.request, asked_of_places(job_class))
        if len(self._like) >= self._shapes_max:
            self._number_anew()
        number = self._shapes.setdefault(looks, len(self._like))
        if number == len(self._like):
            self._like.append(job_class)
            least = self.least
            self.least = job_class.request if least is None else least.least(job_class.request)
        mine[class_id] = number
        self.size += 1
        self._heads.add(queue.oldest_ready_at_ms, class_id)

    def _number_anew(self) -> None:
        """Shapes that nothing waits in are forgotten."""
        old, self._like = self._like, []
        self._shapes.clear()
        self._may_use.clear()
        numbers: dict[int, int] = {}
        for mine in self._classes.values():
            for class_id, number in mine.items():
                if number not in numbers:
                    numbers[number] = len(self._like)
                    like = old[number]
                    self._shapes[like.request, asked_of_places(like)] = len(self._like)
                    self._like.append(like)
                mine[class_id] = numbers[number]
        self._shapes_max = max(SHAPES_MAX, 2 * len(self._like))

    def _rank(
        self,
        state: EngineState,
        place: _Place,
        deficits: Mapping[UserName, int],
        ageing: Ageing,
        now_ms: int,
    ) -> None:
        priority, user = place
        oldest = self._oldest_of(state, place, now_ms)
        weight = state.weights.get(user, 1) * ageing.weight(now_ms - oldest)
        held = share_of(state.in_use.get(user, ZERO), self.total) - deficits.get(user, 0)
        level = (held * WHOLE // max(1, weight), self._served[place])
        old = self._level.get(place)
        if old == level:
            return
        self._level[place] = level
        order = self._order.setdefault(priority, [])
        if old is not None:
            del order[bisect_left(order, (old, user))]
        insort(order, (level, user))

    def _oldest_of(self, state: EngineState, place: _Place, now_ms: int) -> int:
        known = self._oldest.get(place)
        if known is not None:
            return known
        mine = self._classes[place]
        oldest = min(
            (
                queue.oldest_ready_at_ms
                for class_id in mine
                if (queue := state.queues.get(class_id)) is not None and queue.count
            ),
            default=now_ms,
        )
        if len(mine) > LOOK_MAX:
            self._oldest[place] = oldest
        return oldest

    def served(self, job_class: JobClass) -> None:
        """One of its jobs has started."""
        place = (job_class.priority, job_class.user)
        if place in self._served:
            self._turns += 1
            self._served[place] = self._turns

    def _forget(self, place: _Place) -> None:
        """Its user has nothing waiting any more at that priority."""
        priority, user = place
        del self._classes[place], self._served[place]
        self._oldest.pop(place, None)
        level = self._level.pop(place, None)
        if level is not None:
            order = self._order[priority]
            del order[bisect_left(order, (level, user))]
            if not order:
                del self._order[priority]

    def all(self, state: EngineState) -> list[QueuedClass]:
        """Everything that waits."""
        found = []
        for place in list(self._classes):
            found += [state.queued(class_id) for class_id in self._live(state, place)]
        return found

    def look(self, state: EngineState, kept: Iterable[ClassId] = ()) -> list[QueuedClass]:
        """Everything that waits, if that is little; else `LOOK_MAX` classes: those `kept` a place for, half of the rest in turn,
        so that each is looked at some time, and half from those who stand first."""
        if self.size <= LOOK_MAX:
            return self.all(state)
        found = dict.fromkeys(each for each in kept if (q := state.queues.get(each)) is not None and q.count)
        half = (LOOK_MAX - len(found)) // 2
        for _ in range(len(self._classes)):
            left = half - len(found)
            if left <= 0:
                break
            place = next(iter(self._classes))
            self._classes[place] = self._classes.pop(place)
            found.update(dict.fromkeys(self._take(state, place, left, in_turn=True)))
        for priority in sorted(self._order, reverse=True):
            users = [user for _, user in self._order[priority]]
            each = max(EACH_LEAST, half // len(users))
            for user in users:
                if len(found) >= LOOK_MAX:
                    return [state.queued(class_id) for class_id in found]
                found.update(dict.fromkeys(self._take(state, (priority, user), each)))
        return [state.queued(class_id) for class_id in found]

    def _take(
        self, state: EngineState, place: _Place, most: int, *, in_turn: bool = False
    ) -> dict[ClassId, int]:
        """Up to so many classes of one user that are not empty; `in_turn`: next time come others."""
        mine, queues = self._classes[place], state.queues
        taken: dict[ClassId, int] = {}
        gone: list[ClassId] = []
        for class_id, shape in mine.items():
            if len(taken) >= most:
                break
            queue = queues.get(class_id)
            if queue is None or not queue.count:
                gone.append(class_id)
            else:
                taken[class_id] = shape
        self._drop(state, place, gone)
        if in_turn:
            for class_id, shape in taken.items():
                del mine[class_id]
                mine[class_id] = shape
        return taken

    def _drop(self, state: EngineState, place: _Place, gone: Iterable[ClassId]) -> None:
        """Classes that have become empty, here and in the engine's queues."""
        mine = self._classes[place]
        for class_id in gone:
            del mine[class_id]
            self.size -= 1
            state.queues.pop(class_id, None)
        if not mine:
            self._forget(place)

    def select(self, state: EngineState, workers: Sequence[WorkerLife]) -> list[QueuedClass]:
        """All that could get something of these workers' room, and little else."""
        if self.least is None:
            return []
        least = self.least
        users_max = sum(min(worker.free_slots, least.how_many_in(worker.free)) for worker in workers)
        fits: dict[int, bool] = {}
        kinds = [(worker.free, _kind(state, worker)) for worker in workers]
        found: list[QueuedClass] = []
        users = looked = 0
        many = self.size > LOOK_MAX
        for priority in sorted(self._order, reverse=True):
            for _, user in list(self._order[priority]):
                if users >= users_max or looked >= SELECT_MAX or len(found) >= LOOK_MAX:
                    return found
                mine: list[QueuedClass] = []
                place = (priority, user)
                classes = (
                    self._take(state, place, SELECT_MAX - looked, in_turn=True)
                    if many
                    else self._live(state, place)
                )
                looked += len(classes)
                for class_id, shape in classes.items():
                    fit = fits.get(shape)
                    if fit is None:
                        fit = fits[shape] = self._fits(shape, kinds)
                    if fit and len(mine) < LOOK_MAX:
                        mine.append(state.queued(class_id))
                found += mine
                users += bool(mine)
        return found

    def _live(self, state: EngineState, place: _Place) -> dict[ClassId, int]:
        """The classes of one user; those that have become empty are dropped, here and from the engine's queues."""
        mine = self._classes[place]
        queues = state.queues
        self._drop(state, place, [each for each in mine if (q := queues.get(each)) is None or not q.count])
        return mine

    def _fits(self, shape: int, kinds: Iterable[tuple[Resources, Kind | None]]) -> bool:
        like = self._like[shape]
        for free, kind in kinds:
            if kind is None or not like.request.fits_in(free):
                continue
            may = self._may_use.get((shape, kind))
            if may is None:
                if len(self._may_use) > KNOWN_MAX:
                    self._may_use.clear()
                may = self._may_use[shape, kind] = may_use_kind(like, kind)
            if may:
                return True
        return False

    def unfit(
        self,
        state: EngineState,
        pending: Iterable[QueuedClass],
        workers: Iterable[WorkerLife],
        *,
        exact: bool = False,
    ) -> frozenset[ClassId]:
        """Classes that fit on none of these workers, were each asked first. Without `exact` some of them may be missing: those that need what is free on
        several."""
        most: dict[Kind | None, Resources] = {}
        kinds: Iterable[tuple[Resources, Kind | None]]
        if exact:
            kinds = {(each.free, _kind(state, each)) for each in workers if each.takes_work}
        else:
            for worker in workers:
                kind = _kind(state, worker)
                most[kind] = most.get(kind, ZERO).most(worker.free)
            kinds = [(free, kind) for kind, free in most.items()]
        fits: dict[int, bool] = {}
        found: list[ClassId] = []
        for queued in pending:
            job_class = queued.job_class
            shape = self._classes[job_class.priority, job_class.user][queued.class_id]
            if shape not in fits:
                fits[shape] = self._fits(shape, kinds)
            if not fits[shape]:
                found.append(queued.class_id)
        return frozenset(found)

    def last_served(self, users: Iterable[UserName]) -> dict[UserName, int]:
        """When each was last served, or came to wait, at any priority."""
        wanted = dict.fromkeys(users, -1)
        for (_, user), turn in self._served.items():
            if user in wanted:
                wanted[user] = max(wanted[user], turn)
        return wanted

    def may_use(self, state: EngineState, class_id: ClassId, worker: WorkerLife) -> bool:
        """Whether jobs of a class that waits may run there; size aside."""
        job_class = state.classes[class_id]
        kind = _kind(state, worker)
        return kind is not None and may_use_kind(job_class, kind)

    def has_room(self, worker: WorkerLife) -> bool:
        """False only when nothing that waits is small enough for what is free on it."""
        return self.least is not None and self.least.fits_in(worker.free)

    def turn(self, head: QueuedClass, overdue_ms: int) -> tuple[int, _Rank]:
        """Sorts heads by whose turn it is: first the overdue by age, then by the level of their users."""
        if head.oldest_ready_at_ms <= overdue_ms:
            return 0, (head.oldest_ready_at_ms, 0)
        return 1, self._level.get((head.job_class.priority, head.job_class.user), (0, 0))

    def oldest(self, state: EngineState, before_ms: int, most: int) -> list[QueuedClass]:
        """Up to so many classes with a job that became ready before that, the oldest first."""
        return [state.queued(class_id) for class_id in self._heads.oldest(state, before_ms, most, self.size)]


def _kind(state: EngineState, worker: WorkerLife) -> Kind | None:
    pool = state.pools.get(worker.spec.pool)
    return None if pool is None else kind_of_worker(pool, worker.spec.labels, worker.spec.taints)


def _total(state: EngineState) -> Resources:
    total = ZERO
    for worker in state.workers.values():
        if worker.state.live:
            total = total.plus(worker.spec.allocatable)
    return total
