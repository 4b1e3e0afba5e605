"""Placement of ready jobs on free workers: passes the engine's state to `decide.placement.place`, and its answer back.

Called once per hand-over to the store. Looks only at what may have changed: workers whose capacity was freed, or, when a
class of jobs has newly come to wait, all workers with room, a bounded number at a time: first those that will have work
for longest anyway (`FillOrder`), of equals the oldest, so that the others fall empty and can go. For a few freed workers
`QueueIndex` says which of the waiting classes can get anything at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from herder.decide.forecast.run_times import ALL_JOBS, RunTimes, kinds_of
from herder.decide.placement.ageing import Ageing
from herder.decide.placement.free_capacity import Assignment
from herder.decide.placement.place import PendingClass, Placement, UserShare, place
from herder.engine.attempts.attempt import assign
from herder.engine.memory.funds import Funds
from herder.engine.memory.restrictions import Restrictions
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.ids import ClassId, UserName, WorkerName
from herder.model.stored.changes import Changes
from herder.model.values.resources import ZERO
from herder.model.values.vectors import most_of, with_room
from herder.scheduler.calibration import CalibrationSamples
from herder.scheduler.delayed_jobs import Retries
from herder.scheduler.fill_order import FillOrder
from herder.scheduler.near_inputs import near_inputs
from herder.scheduler.queue_index import LOOK_MAX, QueueIndex
from herder.scheduler.quota_usage import QuotaUsage, within_caps
from herder.scheduler.reservations import Reservations, backfill_ms, open_worker

#: Times that the same workers are asked again, because a quota was granted to jobs that found no room.
QUOTA_ROUNDS_MAX = 4
#: Workers looked at in the first go of a pass; doubled while jobs are left. Small, because most passes place little.
FIRST_WORKERS = 32
#: Up to so many freed workers, only the classes are looked at that can get something of them.
FEW_WORKERS = 4
#: So often the limits of waiting are fitted anew to the run times.
RESCALE_MS = 60_000
#: By the run time that so many of all jobs keep.
MOST_JOBS = 0.8


@dataclass(slots=True)
class Placer:
    """Keeps what must be remembered from one pass to the next: shares owed, run times, reservations."""

    ageing: Ageing = field(default_factory=Ageing)
    deficits: dict[UserName, int] = field(default_factory=dict)
    run_times: RunTimes = field(default_factory=RunTimes)
    queue_index: QueueIndex = field(default_factory=QueueIndex)
    reservations: Reservations = field(default_factory=Reservations)
    samples: CalibrationSamples = field(default_factory=CalibrationSamples)
    fill_order: FillOrder = field(default_factory=FillOrder)
    within: QuotaUsage = field(default_factory=QuotaUsage)
    retries: Retries = field(default_factory=Retries)
    more: bool = False
    """Very many classes wait, there is room, and others of them are to be looked at: there should be another pass soon."""
    _started: bool = False
    _looked: int = 0
    """Classes that were looked at in vain, one pass after the other."""
    _scaled: Ageing | None = None
    _scaled_until_ms: int = 0

    def run(self, state: EngineState, changes: Changes, now_ms: int) -> None:
        """Assign what can be assigned now."""
        self._learn(state)
        self.more = False
        if state.delayed:
            self.retries.run(state, changes, self.queue_index, self.reservations.by_worker, now_ms)
        fresh, state.fresh_demand = state.fresh_demand, False
        everywhere = fresh or self.within.dirty(state)
        known = state.workers
        if not (known if everywhere else state.open_workers):
            return
        changed = (
            known.values()
            if everywhere
            else [known[name] for name in sorted(state.open_workers) if name in known]
        )
        state.open_workers.clear()
        queue_index = self.queue_index
        queue_index.update(state, self.deficits, self.ageing_at(now_ms), now_ms)
        if queue_index.empty:
            self.deficits.clear()
            return
        workers = _open(changed, queue_index)
        if not workers:
            return
        reservations = self.reservations.prepare(
            state,
            queue_index,
            self.run_times,
            self.ageing_at(now_ms),
            {worker.spec.name for worker in workers} if self.reservations.by_worker else (),
            now_ms,
        )
        self._started = False
        if (
            len(workers) > FEW_WORKERS
            and not reservations
            and self.queue_index.size <= LOOK_MAX
            and len(pending := self.queue_index.all(state)) == 1
        ):
            self._fill_with(state, changes, pending, workers, now_ms)
        else:
            workers = list(self.fill_order.longest_first(state, workers, now_ms))
            if reservations:
                workers = _with_kept(state, workers, reservations)
            fill = self._fill_few if len(workers) <= FEW_WORKERS else self._fill
            fill(state, changes, workers, now_ms)
            if self.queue_index.size > LOOK_MAX:
                self._go_on(state, workers)

    def _go_on(self, state: EngineState, workers: Iterable[WorkerLife]) -> None:
        """The next pass looks at other classes, until all have been looked at and nothing fits."""
        self._looked = 0 if self._started else self._looked + LOOK_MAX // 2
        if self._looked >= self.queue_index.size:
            self._looked = 0
            return
        roomy = [each.spec.name for each in workers if each.takes_work and self.queue_index.has_room(each)]
        state.open_workers.update(roomy)
        self.more = bool(roomy)

    def clock_set(self) -> None:
        """Nothing that is kept from pass to pass may hold a time of the clock before: it is made anew."""
        self.queue_index, self.reservations, self._scaled = QueueIndex(), Reservations(), None
        self.samples = CalibrationSamples(record=self.samples.record)
        self.fill_order = FillOrder(work_left=self.fill_order.work_left)

    def set_ageing(self, ageing: Ageing) -> None:
        """Other settings, from now on."""
        self.ageing, self._scaled = ageing, None

    def ageing_at(self, now_ms: int) -> Ageing:
        """The settings, scaled to the jobs that were seen."""
        if self._scaled is None or now_ms >= self._scaled_until_ms:
            self._scaled = self.ageing.scaled(self.run_times.guess(ALL_JOBS).quantile_ms(MOST_JOBS))
            self._scaled_until_ms = now_ms + RESCALE_MS
        return self._scaled

    def _learn(self, state: EngineState) -> None:
        ended = state.ended_runs
        while ended:
            class_id, run_ms = ended.popleft()
            self.run_times.learn(kinds_of(state.classes[class_id]), run_ms)
            self.fill_order.work_left.learn(run_ms)

    def _fill_few(self, state: EngineState, changes: Changes, workers: list[WorkerLife], now_ms: int) -> None:
        """Until nothing that waits fits any more: who would get nothing at first may get what others could not use."""
        held = any(worker.spec.name in self.reservations.by_worker for worker in workers)
        while workers:
            # Beside a reservation or a quota it is not the level alone that says who may start.
            every = held or state.sharing.has_quotas or bool(_caps(state))
            pending = self._look(state) if every else self.queue_index.select(state, workers)
            if not pending or not self._place(state, changes, pending, workers, now_ms).assignments:
                return
            self.queue_index.update(state, self.deficits, self.ageing_at(now_ms), now_ms)
            workers = [
                worker for worker in workers if worker.takes_work and self.queue_index.has_room(worker)
            ]

    def _fill_with(
        self,
        state: EngineState,
        changes: Changes,
        pending: list[PendingClass],
        workers: list[WorkerLife],
        now_ms: int,
    ) -> None:
        """One class waits alone, as most jobs do that are submitted singly: the first workers with room take it, as many as it
        takes, and `place` is spared the sight of the others."""
        (item,) = pending
        request, left = item.job_class.request, item.count
        chosen = []
        for worker in self.fill_order.longest_first(state, with_room(workers, request), now_ms):
            if self.queue_index.may_use(state, item.class_id, worker):
                chosen.append(worker)
                left -= min(worker.free_slots, request.how_many_in(worker.free))
                if left <= 0:
                    break
        if chosen:
            self._place(state, changes, pending, chosen, now_ms)
            self.queue_index.all(state)  # forgets what is empty now
        else:
            self._nothing_fits(state, pending)

    def _nothing_fits(self, state: EngineState, pending: list[PendingClass]) -> None:
        """What `place` would come to: nobody gets anything, and who is owed something still is."""
        state.stirred_users.update(user for item in pending if self.deficits.get(user := item.job_class.user))

    def _fill(self, state: EngineState, changes: Changes, workers: list[WorkerLife], now_ms: int) -> None:
        look, start = FIRST_WORKERS, 0
        pending = self._look(state)
        while pending and start < len(workers):
            some = list(islice(workers, start, start + look))
            for _ in range(QUOTA_ROUNDS_MAX):
                if not self.reservations.by_worker and not _might_fit(pending, some):
                    self._nothing_fits(state, pending)
                    break
                placed = self._place(state, changes, pending, some, now_ms).assignments
                pending = self._look(state)
                again = self.within.held_back or state.restrictions is not None
                if not (placed and pending and again):
                    break
                some = [worker for worker in some if worker.takes_work]
            start, look = start + look, look * 2

    def _look(self, state: EngineState) -> list[PendingClass]:
        return self.queue_index.look(
            state, (reservation.class_id for reservation in self.reservations.by_worker.values())
        )

    def _place(
        self,
        state: EngineState,
        changes: Changes,
        pending: list[PendingClass],
        workers: list[WorkerLife],
        now_ms: int,
    ) -> Placement:
        run_times = self.run_times
        reservations = self.reservations.by_worker
        if state.sharing.has_quotas:
            aged_ms = now_ms - self.ageing_at(now_ms).reserve_after_ms
            pending = self.within.capped(
                state, self.queue_index, pending, workers, reservations.values(), aged_ms
            )
        pending = within_caps(state, pending, self._unfit(state, pending, workers))
        caps = _caps(state)
        users = dict.fromkeys(item.job_class.user for item in pending)
        placement = place(
            pending,
            [open_worker(worker, self.fill_order.left_ms(worker.spec.name)) for worker in workers],
            _shares(state, users),
            total=self.queue_index.total,
            deficits={user: owed for user in users if (owed := self.deficits.get(user))},
            pools=state.pools,
            now_ms=now_ms,
            ageing=self.ageing_at(now_ms),
            reservations=reservations,
            expected_ms=lambda job_class: backfill_ms(run_times, job_class),
        )
        for user in users:
            self.deficits.pop(user, None)
        self.deficits.update(placement.deficits)
        state.stirred_users.update(placement.deficits)
        self._started = self._started or bool(placement.assignments)
        assignments: Sequence[Assignment] = placement.assignments
        if state.cached_inputs:
            assignments = near_inputs(state, placement, self.fill_order, reservations)
            if assignments is not placement.assignments:  # who was chosen before may take others
                state.open_workers.update(item.worker for item in placement.assignments)
                self.more = True
        for item in assignments:
            self.queue_index.served(state.classes[item.class_id])
            self.within.served(item.class_id)
            assign(state, changes, item.class_id, state.workers[item.worker], item.count, now_ms)
            for cap in caps:
                cap.take(state.classes[item.class_id], item.count)
        for name in placement.kept:
            self.reservations.release(name)
        return placement

    def _unfit(
        self, state: EngineState, pending: list[PendingClass], workers: list[WorkerLife]
    ) -> dict[ClassId, int]:
        """Jobs that have no place on these workers; known only where it matters."""
        if state.restrictions is None:
            return {}
        unfit = self.queue_index.unfit(state, pending, workers, exact=True)
        return {item.class_id: item.count for item in pending if item.class_id in unfit}


def _caps(state: EngineState) -> tuple[Restrictions | Funds, ...]:
    """What keeps jobs from starting beside quotas: alerts, and budgets."""
    return tuple(each for each in (state.restrictions, state.funds) if each is not None)


def _open(workers: Iterable[WorkerLife], queue_index: QueueIndex) -> list[WorkerLife]:
    """Those of them that take work and have room for something."""
    if queue_index.least is None:
        return []
    return [worker for worker in with_room(workers, queue_index.least) if worker.takes_work]


def _might_fit(pending: list[PendingClass], workers: list[WorkerLife]) -> bool:
    """False when `place` would see at its first look that there is no room for any of them on any of these."""
    most = most_of([worker.free for worker in workers])
    return any(item.job_class.request.fits_in(most) for item in pending)


def _with_kept(
    state: EngineState, workers: list[WorkerLife], reservations: Mapping[WorkerName, object]
) -> list[WorkerLife]:
    """And those kept for a job that could start there now."""
    there = {worker.spec.name for worker in workers}
    kept = [state.workers[name] for name in reservations if name not in there]
    return [*workers, *(worker for worker in kept if worker.takes_work)]


def _shares(state: EngineState, users: Mapping[UserName, None]) -> list[UserShare]:
    return [
        UserShare(user=user, weight=state.weights.get(user, 1), used=state.in_use.get(user, ZERO))
        for user in users
    ]
