"""The order in which `placement.py` fills workers: by the expected time of their remaining work, updated from pass to pass.

The expectations are `decide.forecast.remaining_work`'s. Here is only what makes them cheap: a worker is looked at anew when something was
started or has ended on it, not more often than each second, else each minute, and only so many of them in a second, whatever
the fleet and the rate of jobs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace, nsmallest

from herder.decide.forecast.remaining_work import WorkLeft
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import WorkerName

#: A worker on which nothing ended is believed for this part of the time that it was expected to have work for, and for a minute to an
#: hour; one on which something did, for some seconds. What is started on it makes it last longer at most, and is seen then.
BELIEVED_PART = 16
BELIEVED_LEAST_MS = 60_000
BELIEVED_MOST_MS = 3_600_000
CHANGED_MS = 5_000
#: Workers looked at anew in one second, those first that were not for longest: about 5 ms of CPU.
LOOKS_MAX = 64
LOOKS_EVERY_MS = 1_000
#: Attempts looked at on one worker: half of them the oldest, half the youngest.
ATTEMPTS_MAX = 64


@dataclass(frozen=True, slots=True)
class _Look:
    at_ms: int
    until_ms: int
    """Believed so long, if nothing ends."""
    ended: int
    """Attempts that had ended on it."""
    left_ms: int


_NEVER = _Look(at_ms=0, until_ms=0, ended=0, left_ms=0)


@dataclass(slots=True)
class FillOrder:
    work_left: WorkLeft = field(default_factory=WorkLeft)
    _looks: dict[WorkerName, _Look] = field(default_factory=dict)
    _left: int = 0
    """Looks left until `_until_ms`."""
    _until_ms: int = 0

    def left_ms(self, name: WorkerName) -> int:
        """As it was when the worker was last looked at; 0 if it never was."""
        look = self._looks.get(name)
        return 0 if look is None else look.left_ms

    def longest_first(
        self, state: EngineState, workers: Iterable[WorkerLife], now_ms: int
    ) -> Iterator[WorkerLife]:
        """Those with work for longest first, then the oldest. An end makes a worker last less, so one is looked at for that only when it
        would be next: who takes the first few causes few looks."""
        there, looks = list(workers), self._looks
        if self.work_left.knows:
            self._look_at_due(state, there, now_ms)
        heap = [
            (-looks.get(worker.spec.name, _NEVER).left_ms, worker.requested_at_ms, worker.spec.name, place)
            for place, worker in enumerate(there)
        ]
        heapify(heap)
        while heap:
            minus_left_ms, asked_at_ms, name, place = heap[0]
            worker = there[place]
            if minus_left_ms and self._left and _shortened(worker, looks[name], now_ms):
                self._look(state, worker, now_ms)
                heapreplace(heap, (-looks[name].left_ms, asked_at_ms, name, place))
            else:
                heappop(heap)
                yield worker

    def _look_at_due(self, state: EngineState, workers: Iterable[WorkerLife], now_ms: int) -> None:
        if now_ms >= self._until_ms:
            self._left, self._until_ms = LOOKS_MAX, now_ms + LOOKS_EVERY_MS
        if not self._left:
            return
        due = self._due(workers, now_ms)
        if len(due) > self._left:
            due = nsmallest(self._left, due, key=self._looked_at)
        for worker in due:
            self._look(state, worker, now_ms)
        if len(self._looks) > 2 * len(state.workers) + LOOKS_MAX:
            self._looks = {name: look for name, look in self._looks.items() if name in state.workers}

    def _due(self, workers: Iterable[WorkerLife], now_ms: int) -> list[WorkerLife]:
        """By time alone, and those that have got their first work."""
        looks, due = self._looks, []
        for worker in workers:
            look = looks.get(worker.spec.name)
            if look is None:
                if worker.live:
                    due.append(worker)
            elif now_ms >= look.until_ms or (
                not look.left_ms and worker.live and now_ms >= look.at_ms + CHANGED_MS
            ):
                due.append(worker)
        return due

    def _look(self, state: EngineState, worker: WorkerLife, now_ms: int) -> None:
        self._left -= 1
        pool = state.pools.get(worker.spec.pool)
        left_ms = self._left_ms(worker, now_ms) if pool is not None and _shrinks(pool) else 0
        believed_ms = min(max(left_ms // BELIEVED_PART, BELIEVED_LEAST_MS), BELIEVED_MOST_MS)
        self._looks[worker.spec.name] = _Look(now_ms, now_ms + believed_ms, worker.attempts_done, left_ms)

    def _looked_at(self, worker: WorkerLife) -> tuple[int, WorkerName]:
        look = self._looks.get(worker.spec.name)
        return (0 if look is None else look.at_ms), worker.spec.name

    def _left_ms(self, worker: WorkerLife, now_ms: int) -> int:
        running = [(attempt.class_id, attempt.assigned_at_ms) for attempt in worker.live.values()]
        if len(running) > ATTEMPTS_MAX:
            running = [*running[: ATTEMPTS_MAX // 2], *running[-ATTEMPTS_MAX // 2 :]]
        return self.work_left.left_ms(running, now_ms)


def _shortened(worker: WorkerLife, look: _Look, now_ms: int) -> bool:
    return worker.attempts_done != look.ended and now_ms >= look.at_ms + CHANGED_MS


def _shrinks(pool: PoolSpec) -> bool:
    """In a pool that keeps its workers anyway, nothing is gained by emptying one."""
    return pool.scale_down.idle_timeout_s is not None and pool.size.min_workers < pool.size.max_workers
