"""Imitates Hail Batch: one kind of worker, best fit, and an autoscaler that compares sums of cores every 15 s.

Ours, written from its documents and source (hail-is/hail): free cores are summed over all workers, however scattered, and taken from
the queued cores; the rest becomes whole workers, at most `new_per_loop`; with `free_cores_enough` free cores nothing is made at all;
an idle worker ends itself after `idle_s`. So jobs may wait while scattered cores are free: that is its known fault, kept here.
The cores of GPU jobs are their GPUs.
"""

from herder.simulate.policies.late_binding import LateBinding
from herder.simulate.policies.template_order import by_price_for_size
from herder.simulate.world.world import Worker, World


class HailLike(LateBinding):
    def __init__(
        self,
        *,
        loop_s: float = 15.0,
        idle_s: float = 30.0,
        new_per_loop: int = 10,
        free_cores_enough: int = 500,
    ) -> None:
        super().__init__(period_s=loop_s, idle_s=idle_s)
        self.new_per_loop = new_per_loop
        self.free_milli_enough = free_cores_enough * 1000

    def choose(self, world: World, request: int) -> Worker | None:
        guards = world.guards
        best: Worker | None = None
        for worker in self.free_capacity.workers:
            if (worker.room - request) & guards == guards and (best is None or worker.room < best.room):
                best = worker
        return best

    def grow(self, world: World) -> None:
        free = sum(_cores(world, worker.room) for worker in world.workers.values())
        counts = self.waiting.counts()
        if free >= self.free_milli_enough:
            return
        largest = max(counts, key=lambda shape: _cores(world, world.shape_requests[shape]))
        order = by_price_for_size(world, world.shape_requests[largest])
        size = max(1, _cores(world, world.sizes[order[0]]))
        queued = sum(_cores(world, world.shape_requests[shape]) * count for shape, count in counts.items())
        for _ in range(min(self.new_per_loop, -(-max(0, queued - free) // size))):
            if self.make(world, order[0]) is None:
                return


def _cores(world: World, packed: int) -> int:
    return world.dimensions.unpack(packed)[0]
