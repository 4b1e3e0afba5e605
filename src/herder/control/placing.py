"""Placement of ready jobs on free workers: the engine's state as `decide.placement` wants it, and its answer back.

Called once per hand-over to the store. Looks only at what may have changed: workers whose capacity was freed, or, when a
class of jobs has newly come to wait, all workers with room, a bounded number at a time: first those that will have work
for longest anyway (`Lasting`), of equals the oldest, so that the others fall empty and can go. For a few freed workers
`Waiting` says which of the waiting classes can get anything at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from herder.control.holds import Holds, backfill_ms, open_worker
from herder.control.lasting import Lasting
from herder.control.samples import Samples
from herder.control.waiting import Waiting
from herder.decide.ageing import Ageing
from herder.decide.placement import PendingClass, Placement, UserShare, place
from herder.decide.run_times import ALL_JOBS, RunTimes, kinds_of
from herder.engine.attempt import assign
from herder.engine.state import EngineState, WorkerLife
from herder.model.changes import Changes
from herder.model.ids import UserName, WorkerName
from herder.model.resources import ZERO

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
    waiting: Waiting = field(default_factory=Waiting)
    holds: Holds = field(default_factory=Holds)
    samples: Samples = field(default_factory=Samples)
    lasting: Lasting = field(default_factory=Lasting)
    _scaled: Ageing | None = None
    _scaled_until_ms: int = 0

    def run(self, state: EngineState, changes: Changes, now_ms: int) -> None:
        """Assign what can be assigned now."""
        self._learn(state)
        fresh, state.fresh_demand = state.fresh_demand, False
        names = list(state.workers if fresh else state.open_workers)
        if not names:
            return
        state.open_workers.clear()
        waiting = self.waiting
        waiting.update(state, self.deficits, self.ageing_at(now_ms), now_ms)
        if waiting.empty:
            self.deficits.clear()
            return
        workers = _open(state, names, waiting)
        if not workers:
            return
        self.lasting.longest_first(state, workers, now_ms)
        holds = self.holds.prepare(
            state,
            waiting,
            self.run_times,
            self.ageing_at(now_ms),
            {worker.spec.name for worker in workers},
            now_ms,
        )
        if holds:
            workers = _with_kept(state, workers, holds, now_ms)
        if len(workers) <= FEW_WORKERS:
            self._fill_few(state, changes, workers, now_ms)
        else:
            self._fill(state, changes, workers, now_ms)
        self.samples.look(state, self.run_times, now_ms)

    def ageing_at(self, now_ms: int) -> Ageing:
        """The settings, scaled to the jobs that were seen."""
        if self._scaled is None or now_ms >= self._scaled_until_ms:
            self._scaled = self.ageing.scaled(self.run_times.guess(ALL_JOBS).quantile_ms(MOST_JOBS))
            self._scaled_until_ms = now_ms + RESCALE_MS
        return self._scaled

    def _learn(self, state: EngineState) -> None:
        ended = state.ended_runs
        while ended:
            class_id, assigned_at_ms, run_ms = ended.popleft()
            self.run_times.learn(kinds_of(state.classes[class_id]), run_ms)
            self.lasting.learn(class_id, assigned_at_ms, run_ms)

    def _fill_few(self, state: EngineState, changes: Changes, workers: list[WorkerLife], now_ms: int) -> None:
        """Until nothing that waits fits any more: who would get nothing at first may get what others could not use."""
        held = any(worker.spec.name in self.holds.by_worker for worker in workers)
        while workers:
            # Beside a reservation it is not the level alone that says who may start.
            pending = self.waiting.all(state) if held else self.waiting.select(state, workers)
            if not pending or not self._place(state, changes, pending, workers, now_ms).assignments:
                return
            self.waiting.update(state, self.deficits, self.ageing_at(now_ms), now_ms)
            workers = [worker for worker in workers if worker.takes_work and self.waiting.has_room(worker)]

    def _fill(self, state: EngineState, changes: Changes, workers: list[WorkerLife], now_ms: int) -> None:
        look, start = FIRST_WORKERS, 0
        pending = self.waiting.all(state)
        while pending and start < len(workers):
            some = list(islice(workers, start, start + look))
            self._place(state, changes, pending, some, now_ms)
            pending = self.waiting.all(state)
            start, look = start + look, look * 2

    def _place(
        self,
        state: EngineState,
        changes: Changes,
        pending: list[PendingClass],
        workers: list[WorkerLife],
        now_ms: int,
    ) -> Placement:
        run_times = self.run_times
        holds = self.holds.by_worker
        users = dict.fromkeys(item.job_class.user for item in pending)
        placement = place(
            pending,
            [open_worker(worker, self.lasting.left_ms(worker.spec.name)) for worker in workers],
            _shares(state, users),
            total=self.waiting.total,
            deficits={user: owed for user in users if (owed := self.deficits.get(user))},
            pools=state.pools,
            now_ms=now_ms,
            ageing=self.ageing_at(now_ms),
            holds=holds,
            expected_ms=lambda job_class: backfill_ms(run_times, job_class),
        )
        for user in users:
            self.deficits.pop(user, None)
        self.deficits.update(placement.deficits)
        state.stirred_users.update(placement.deficits)
        for item in placement.assignments:
            self.waiting.served(state.classes[item.class_id])
            assign(state, changes, item.class_id, state.workers[item.worker], item.count, now_ms)
        for name in placement.kept:
            self.holds.release(name)
        return placement


def _open(state: EngineState, names: list[WorkerName], waiting: Waiting) -> list[WorkerLife]:
    """Those of them that take work and have room for something."""
    return [
        worker
        for name in names
        if (worker := state.workers.get(name)) is not None and worker.takes_work and waiting.has_room(worker)
    ]


def _with_kept(
    state: EngineState, workers: list[WorkerLife], holds: Mapping[WorkerName, object], now_ms: int
) -> list[WorkerLife]:
    """And those kept for a job that could start there now."""
    there = {worker.spec.name for worker in workers}
    kept = [state.workers[name] for name in holds if name not in there]
    return [*workers, *(worker for worker in kept if worker.takes_work)]


def _shares(state: EngineState, users: Mapping[UserName, None]) -> list[UserShare]:
    return [
        UserShare(user=user, weight=state.weights.get(user, 1), used=state.in_use.get(user, ZERO))
        for user in users
    ]
