"""The utilisation of a pool once the queue is placed, and what headroom and target utilisation need beyond that.

Called by the planner's triggers and by scale-down, which use the same sums, so that nothing is made that would go again at
once. Queued work has been packed before: its places count as used, so nothing is counted twice.
"""

from collections.abc import Set
from dataclasses import dataclass, replace

from herder.decide.scaling.signals.pressure import Gauge, rules
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.values.resources import ZERO, Resources
from herder.model.values.vectors import pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`empty`: workers with nothing to do, also after the queue was placed. `gauges`: what is really used, for pools that ask."""

    capacity: Resources
    used: Resources
    empty: int
    gauges: tuple[Gauge, ...] = ()
    workers: int = 0

    def without(self, worker: ObservedWorker, *, empty: bool) -> "Load":
        """Its work stays with the pool: it ends, and the like of it comes again."""
        return replace(
            self,
            capacity=self.capacity.minus(worker.spec.allocatable),
            empty=self.empty - int(empty),
            gauges=tuple(gauge.without(worker) for gauge in self.gauges),
            workers=self.workers - 1,
        )

    def with_more(self, size: Resources, count: int) -> "Load":
        """Workers that are to be made."""
        room = size.times(count)
        gauges = tuple(gauge.with_room(room) for gauge in self.gauges)
        return replace(self, capacity=self.capacity.plus(room), gauges=gauges, workers=self.workers + count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What is missing: empty workers, or room by dimension."""

    workers: int = 0
    room: Resources = ZERO

    @property
    def any(self) -> bool:
        return self.workers > 0 or any(self.room)

    def in_workers(self, size: Resources, most: int) -> int:
        """How many workers of this size fill it; a dimension that the size has nothing of cannot be filled."""
        needs = [-(-ask // have) for ask, have in pairs(self.room, size) if ask > 0 and have > 0]
        return min(most, max([self.workers, *needs]))


def load_of(
    view: PoolView, leaving: Set[WorkerName], used: Set[WorkerName], taken: Resources, *, in_flight: bool
) -> Load:
    """`taken`: what the queue takes of this pool. With `in_flight`, workers on their way count as if they were there."""
    capacity, busy, empty, gauges, workers = ZERO, taken, 0, list(rules(view.spec)), 0
    for worker in view.staying:
        coming = worker.state.in_flight
        if not worker.usable or worker.name in leaving or (coming and not in_flight):
            continue
        capacity = capacity.plus(worker.spec.allocatable)
        gauges = [gauge.counting(worker) for gauge in gauges]
        if not coming:
            busy = busy.plus(worker.spec.allocatable.minus(worker.free))
        empty += is_empty(worker, used)
        workers += 1
    for worker in view.ahead:
        if worker.usable and (in_flight or not worker.state.in_flight):
            gauges = [gauge.counting(worker) for gauge in gauges]
    return Load(capacity=capacity, used=busy, empty=empty, gauges=tuple(gauges), workers=workers)


def is_empty(worker: ObservedWorker, used: Set[WorkerName]) -> bool:
    return worker.spec.membership.work_is_known and worker.live_attempts == 0 and worker.name not in used


def headroom_lack(spec: PoolSpec, load: Load) -> Lack:
    return Lack(
        workers=max(0, spec.scale_up.headroom.workers - load.empty),
        room=spec.scale_up.headroom.free.beyond(load.capacity.minus(load.used)).where(
            spec.scale_up.headroom.free
        ),
    )


def target_lack(spec: PoolSpec, load: Load) -> Lack:
    """What brings the use of the scarcest dimension down to the target."""
    if spec.scale_up.target_utilisation is None:
        return Lack()
    permille = max(1, round(spec.scale_up.target_utilisation * 1000))
    return Lack(room=load.used.scaled_up(1000, permille).beyond(load.capacity))
