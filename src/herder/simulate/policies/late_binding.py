"""The base of policies that start jobs only on ready workers, and look at the queue in intervals of their own.

A policy says where a job goes (`choose`), when the fleet is looked at (`period_s`), what is made then (`grow`), and how long a
worker may idle. Used by the peers' policies.
"""

from herder.simulate.policies.free_capacity import FreeCapacity
from herder.simulate.policies.idle_timeout import IdleClock
from herder.simulate.policies.queue import Waiting
from herder.simulate.policies.template_order import largeness
from herder.simulate.world.world import Worker, World


class LateBinding:
    def __init__(self, *, period_s: float, idle_s: float) -> None:
        self.period_s = period_s
        self.free_capacity = FreeCapacity()
        self.waiting = Waiting()
        self.idle = IdleClock(idle_s)
        self.booting: dict[int, Worker] = {}
        self.look_s = 0.0

    def choose(self, world: World, request: int) -> Worker | None:
        return self.free_capacity.first(world, request)

    def grow(self, world: World) -> None:
        """Open what the queue needs beyond what boots already."""
        raise NotImplementedError

    def decide_now(self, world: World) -> float | None:
        self.free_capacity.take_in(world)
        for worker in world.lost:
            self.booting.pop(worker.number, None)
        for worker in world.readied:
            if self.booting.pop(worker.number, None) is not None:
                self.free_capacity.back(world, worker)
        self.waiting.take_in(world)
        if self.waiting.count:
            self.waiting.place_on(world, self.choose, self._put)
        if self.waiting.count and world.now_s >= self.look_s:
            self.look_s = world.now_s + self.period_s
            self.grow(world)
            if self.waiting.count:
                self.waiting.place_on(world, self.choose, self._put)
        self.idle.take_in(world)
        for worker in self.idle.overdue(world):
            self.free_capacity.close(world, worker)
        return self._wake_s(world)

    def _wake_s(self, world: World) -> float | None:
        times = [
            each
            for each in (self.idle.next_s(), self.look_s if self.waiting.count else None)
            if each is not None
        ]
        return max(min(times), world.now_s + 0.001) if times else None

    def _put(self, world: World, job: int, worker: Worker) -> None:
        self.idle.busy(worker)
        self.free_capacity.put(world, job, worker)

    def make(self, world: World, template: int) -> Worker | None:
        worker = world.open(template)
        if worker is None:
            return None
        if worker.ready:
            self.free_capacity.add(worker)
        else:
            self.booting[worker.number] = worker
        return worker

    def beyond_booting(self, world: World) -> list[int]:
        """Shapes of waiting jobs, one entry each, that the workers that boot cannot take: largest first, first fit."""
        free_capacity = [worker.size for worker in self.booting.values()]
        guards = world.guards
        rest: list[int] = []
        for shape, count in sorted(
            self.waiting.counts().items(), key=lambda each: -largeness(world, each[0])
        ):
            request, left = world.shape_requests[shape], count
            for place in range(len(free_capacity)):
                while left and (free_capacity[place] - request) & guards == guards:
                    free_capacity[place] -= request
                    left -= 1
            rest += [shape] * left
        return rest
