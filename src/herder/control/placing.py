"""Placement of ready jobs on free workers: the engine's state as `decide.placement` wants it, and its answer back.

Called once per hand-over to the store. Looks only at what may have changed: workers whose capacity was freed, or, when a
class of jobs has newly come to wait, all workers with room, oldest first, a bounded number at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from herder.decide.placement import OpenWorker, PendingClass, UserShare, place
from herder.engine.attempt import assign
from herder.engine.state import EngineState, WorkerLife
from herder.model.changes import Changes
from herder.model.ids import UserName
from herder.model.resources import ZERO, Resources

#: Workers looked at in the first go of a pass; doubled while jobs are left. Small, because most passes place little.
FIRST_WORKERS = 32


@dataclass(slots=True)
class Placer:
    """Keeps what fairness must remember from one pass to the next."""

    deficits: dict[UserName, int] = field(default_factory=dict)

    def run(self, state: EngineState, changes: Changes, now_ms: int) -> None:
        """Assign what can be assigned now."""
        fresh, state.fresh_demand = state.fresh_demand, False
        candidates = state.workers if fresh else state.open_workers
        if not candidates:
            return
        pending = _pending(state)
        open_workers = [
            worker
            for name in list(candidates)
            if (worker := state.workers.get(name)) is not None and worker.takes_work
        ]
        state.open_workers.clear()
        if not pending or not open_workers:
            return
        if not fresh:
            open_workers.sort(key=lambda worker: (worker.requested_at_ms, worker.spec.name))
        total = _total(state)
        look, start = FIRST_WORKERS, 0
        while pending and start < len(open_workers):
            some = list(islice(open_workers, start, start + look))
            self._place(state, changes, pending, some, total, now_ms)
            pending = _pending(state)
            start, look = start + look, look * 2

    def _place(
        self,
        state: EngineState,
        changes: Changes,
        pending: list[PendingClass],
        workers: list[WorkerLife],
        total: Resources,
        now_ms: int,
    ) -> None:
        placement = place(
            pending,
            [_open(worker) for worker in workers],
            _shares(state, pending),
            total=total,
            deficits=self.deficits,
            pools=state.pools,
        )
        self.deficits = placement.deficits
        for item in placement.assignments:
            assign(state, changes, item.class_id, state.workers[item.worker], item.count, now_ms)


def _pending(state: EngineState) -> list[PendingClass]:
    pending = []
    for class_id, queue in list(state.queues.items()):
        if queue.count:
            pending.append(
                PendingClass(
                    class_id=class_id,
                    job_class=state.classes[class_id],
                    count=queue.count,
                    oldest_ready_at_ms=queue.oldest_ready_at_ms,
                )
            )
        else:
            del state.queues[class_id]
    return pending


def _open(worker: WorkerLife) -> OpenWorker:
    return OpenWorker(
        name=worker.spec.name,
        pool=worker.spec.pool,
        free=worker.free,
        free_slots=worker.free_slots,
        labels=worker.spec.labels,
        taints=worker.spec.taints,
        requested_at_ms=worker.requested_at_ms,
    )


def _shares(state: EngineState, pending: list[PendingClass]) -> list[UserShare]:
    users: Mapping[UserName, None] = dict.fromkeys(item.job_class.user for item in pending)
    return [
        UserShare(user=user, weight=state.weights.get(user, 1), used=state.in_use.get(user, ZERO))
        for user in users
    ]


def _total(state: EngineState) -> Resources:
    total = ZERO
    for worker in state.workers.values():
        if worker.state.live:
            total = total.plus(worker.spec.allocatable)
    return total
