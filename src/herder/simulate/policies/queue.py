"""Waiting jobs by shape, each shape first come, first served: for policies that assign a job only when it can start.

`place_on` goes through the shapes by the age of their oldest job, and drops a shape for this pass when nobody can take it, so a
pass costs as much as there are shapes and placements, whatever the length of the queue.
"""

from collections import deque
from collections.abc import Callable

from herder.simulate.world.world import Worker, World


class Waiting:
    __slots__ = ("by_shape", "count")

    def __init__(self) -> None:
        self.by_shape: dict[int, deque[int]] = {}
        self.count = 0

    def take_in(self, world: World) -> None:
        for job in world.arrived:
            self.push(world, job)

    def push(self, world: World, job: int) -> None:
        shape = world.trace.shape_of[job]
        queue = self.by_shape.get(shape)
        if queue is None:
            queue = self.by_shape[shape] = deque()
        queue.append(job)
        self.count += 1

    def place_on(
        self,
        world: World,
        choose: Callable[[World, int], Worker | None],
        put: Callable[[World, int, Worker], None],
        *,
        strict: bool = False,
    ) -> None:
        """`strict`: nobody overtakes the oldest job."""
        hopeful = [shape for shape, queue in self.by_shape.items() if queue]
        while hopeful:
            shape = min(hopeful, key=lambda each: self.by_shape[each][0])
            worker = choose(world, world.shape_requests[shape])
            if worker is None:
                if strict:
                    return
                hopeful.remove(shape)
                continue
            queue = self.by_shape[shape]
            put(world, queue.popleft(), worker)
            self.count -= 1
            if not queue:
                hopeful.remove(shape)

    def counts(self) -> dict[int, int]:
        return {shape: len(queue) for shape, queue in self.by_shape.items() if queue}
