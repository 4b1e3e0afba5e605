"""Moves what was placed to workers that have the inputs of such jobs in their cache, where that costs nothing else. Used by `placement`.

Nothing else: the worker is of the same kind, has room, has work for as long, and is not emptier than the one that was chosen; and all jobs
of the class are placed, so that none of them needs both places. It is asked once for each class that a pass has placed.
"""

from collections.abc import Container, Sequence

from herder.decide.placement.free_capacity import Assignment
from herder.decide.placement.place import Placement
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.ids import WorkerName
from herder.model.values.resources import Resources
from herder.scheduler.fill_order import FillOrder


def near_inputs(
    state: EngineState, placement: Placement, fill_order: FillOrder, reserved: Container[WorkerName]
) -> Sequence[Assignment]:
    """The assignments, some of them at other workers."""
    known = state.cached_inputs
    movable = {
        item.class_id
        for item in placement.assignments
        if known.of(item.class_id) and item.class_id not in placement.left
    }
    return (
        _Moving(state, placement, fill_order, reserved).moved(movable) if movable else placement.assignments
    )


class _Moving:
    def __init__(
        self,
        state: EngineState,
        placement: Placement,
        fill_order: FillOrder,
        reserved: Container[WorkerName],
    ) -> None:
        self._state = state
        self._assignments = placement.assignments
        self._fill_order = fill_order
        self._reserved = reserved
        self._left: dict[WorkerName, tuple[Resources, int]] = {}
        """Free capacity and slots after the assignments."""
        for item in placement.assignments:
            self._take(item, item.worker, item.count)

    def moved(self, movable: Container[int]) -> list[Assignment]:
        out: dict[tuple[int, WorkerName], Assignment] = {}
        for item in self._assignments:
            left = item.count
            near = self._state.cached_inputs.of(item.class_id) if item.class_id in movable else {}
            if near and item.worker not in near and item.worker not in self._reserved:
                for name in near:
                    count = min(left, self._room(item, name))
                    if count > 0:
                        self._take(item, name, count)
                        self._take(item, item.worker, -count)
                        _add(out, item, name, count)
                        left -= count
            _add(out, item, item.worker, left)
        return list(out.values())

    def _room(self, item: Assignment, name: WorkerName) -> int:
        """For how many of them there is room on this worker."""
        worker, chosen = self._state.workers.get(name), self._state.workers[item.worker]
        if worker is None or name in self._reserved or not worker.takes_work or worker.probing:
            return 0
        if not _alike(worker, chosen) or (chosen.live and not worker.live):
            return 0
        if self._fill_order.left_ms(name) != self._fill_order.left_ms(item.worker):
            return 0
        free, slots = self._left.get(name, (worker.free, worker.free_slots))
        return min(slots, self._state.classes[item.class_id].request.how_many_in(free))

    def _take(self, item: Assignment, name: WorkerName, count: int) -> None:
        worker = self._state.workers[name]
        free, slots = self._left.get(name, (worker.free, worker.free_slots))
        taken = self._state.classes[item.class_id].request.times(abs(count))
        self._left[name] = (free.minus(taken) if count > 0 else free.plus(taken)), slots - count


def _alike(one: WorkerLife, other: WorkerLife) -> bool:
    return (one.spec.pool, one.spec.labels, one.spec.taints) == (
        other.spec.pool,
        other.spec.labels,
        other.spec.taints,
    )


def _add(
    out: dict[tuple[int, WorkerName], Assignment], item: Assignment, name: WorkerName, count: int
) -> None:
    if count:
        before = out.get((item.class_id, name))
        total = count + (0 if before is None else before.count)
        out[item.class_id, name] = Assignment(class_id=item.class_id, worker=name, count=total)
