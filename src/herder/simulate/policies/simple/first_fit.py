"""First fit: each job is placed on the oldest existing or booting worker that can take it; otherwise a worker is created.

The baseline of all comparisons. Of several templates it takes the one with the least price for its size, the larger of equals.
"""

from collections import deque

from herder.simulate.policies.free_capacity import FreeCapacity
from herder.simulate.policies.idle_timeout import IdleClock
from herder.simulate.policies.template_order import by_price_for_size
from herder.simulate.world.world import Worker, World

#: When nothing can be had, it is asked for again after so long.
RETRY_S = 60.0


class FirstFit:
    """`idle_s`: how long a worker may have nothing to do before it is closed."""

    def __init__(self, *, idle_s: float = 0.0) -> None:
        self.free_capacity = FreeCapacity()
        self.idle = IdleClock(idle_s)
        self.waiting: deque[int] = deque()
        self._order: dict[int, list[int]] = {}

    def decide_now(self, world: World) -> float | None:
        self.free_capacity.take_in(world)
        if self.waiting:
            self.waiting.extend(world.arrived)
            for _ in range(len(self.waiting)):
                self._settle(world, self.waiting.popleft())
        else:
            for job in world.arrived:
                self._settle(world, job)
        self.idle.take_in(world)
        for worker in self.idle.overdue(world):
            self.free_capacity.close(world, worker)
        return self._wake_s(world)

    def _wake_s(self, world: World) -> float | None:
        next_s = self.idle.next_s()
        if self.waiting:
            retry_s = world.now_s + RETRY_S
            return retry_s if next_s is None else min(retry_s, next_s)
        return next_s

    def choose(self, world: World, request: int) -> Worker | None:
        return self.free_capacity.first(world, request)

    def _settle(self, world: World, job: int) -> None:
        request = world.requests[job]
        worker = self.choose(world, request)
        if worker is None:
            worker = self._make(world, request)
            if worker is None:
                self.waiting.append(job)
                return
        self.idle.busy(worker)
        self.free_capacity.put(world, job, worker)

    def _make(self, world: World, request: int) -> Worker | None:
        order = self._order.get(request)
        if order is None:
            order = self._order[request] = by_price_for_size(world, request)
        for template in order:
            worker = world.open(template)
            if worker is not None:
                self.free_capacity.add(worker)
                return worker
        return None
