"""Which workers will probably have work for longest, kept from pass to pass: the order in which `placing.py` fills them.

The expectations are `decide.work_left`'s. Here is only what makes them cheap: a worker is looked at anew when something was
started or has ended on it, not more often than each second, else each minute, and only so many in one pass.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest

from herder.decide.work_left import WorkLeft
from herder.engine.state import EngineState, WorkerLife
from herder.model.ids import ClassId, WorkerName
from herder.model.pool import PoolSpec

#: A worker on which nothing changed is believed for so long; one on which something did, for so long.
BELIEVED_MS = 60_000
CHANGED_MS = 1_000
#: Workers looked at anew in one pass, those first that were not for longest.
LOOKS_MAX = 64
#: Attempts looked at on one worker: half of them the oldest, half the youngest.
ATTEMPTS_MAX = 64


@dataclass(frozen=True, slots=True)
class _Look:
    at_ms: int
    change: tuple[int, int]
    left_ms: int


@dataclass(slots=True)
class Lasting:
    work_left: WorkLeft = field(default_factory=WorkLeft)
    _looks: dict[WorkerName, _Look] = field(default_factory=dict)

    def learn(self, class_id: ClassId, assigned_at_ms: int, run_ms: int) -> None:
        self.work_left.learn(class_id, assigned_at_ms, run_ms)

    def left_ms(self, name: WorkerName) -> int:
        """As it was when the worker was last looked at; 0 if it never was."""
        look = self._looks.get(name)
        return 0 if look is None else look.left_ms

    def longest_first(self, state: EngineState, workers: list[WorkerLife], now_ms: int) -> None:
        """Sort them: those with work for longest first, then the oldest."""
        if self.work_left.knows:
            self._look(state, workers, now_ms)
        workers.sort(
            key=lambda worker: (-self.left_ms(worker.spec.name), worker.requested_at_ms, worker.spec.name)
        )

    def _look(self, state: EngineState, workers: Iterable[WorkerLife], now_ms: int) -> None:
        due = [worker for worker in workers if self._due(worker, now_ms)]
        if len(due) > LOOKS_MAX:
            due = nsmallest(LOOKS_MAX, due, key=self._looked_at)
        for worker in due:
            pool = state.pools.get(worker.spec.pool)
            left_ms = self._left_ms(worker, now_ms) if pool is not None and _shrinks(pool) else 0
            self._looks[worker.spec.name] = _Look(now_ms, _change(worker), left_ms)
        if len(self._looks) > 2 * len(state.workers) + LOOKS_MAX:
            self._looks = {name: look for name, look in self._looks.items() if name in state.workers}

    def _due(self, worker: WorkerLife, now_ms: int) -> bool:
        look = self._looks.get(worker.spec.name)
        if look is None:
            return bool(worker.live)
        return now_ms - look.at_ms >= (BELIEVED_MS if look.change == _change(worker) else CHANGED_MS)

    def _looked_at(self, worker: WorkerLife) -> tuple[int, WorkerName]:
        look = self._looks.get(worker.spec.name)
        return (0 if look is None else look.at_ms), worker.spec.name

    def _left_ms(self, worker: WorkerLife, now_ms: int) -> int:
        running = [(attempt.class_id, attempt.assigned_at_ms) for attempt in worker.live.values()]
        if len(running) > ATTEMPTS_MAX:
            running = [*running[: ATTEMPTS_MAX // 2], *running[-ATTEMPTS_MAX // 2 :]]
        return self.work_left.left_ms(running, now_ms)


def _change(worker: WorkerLife) -> tuple[int, int]:
    """Differs when an attempt was started or has ended in between."""
    return worker.attempts_done, len(worker.live)


def _shrinks(pool: PoolSpec) -> bool:
    """In a pool that keeps its workers anyway, nothing is gained by emptying one."""
    return pool.idle_timeout_s is not None and pool.min_workers < pool.max_workers
