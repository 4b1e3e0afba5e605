"""A pool of a fixed size, created at the start and kept to the end; first come, first served.

Of several templates it takes the one with the least price for its size on which every job fits.
"""

from herder.simulate.policies.free_capacity import FreeCapacity
from herder.simulate.policies.queue import Waiting
from herder.simulate.policies.template_order import by_price_for_size
from herder.simulate.world.world import World


class Fixed:
    """`workers`: how many. `strict`: nobody overtakes the oldest job."""

    def __init__(self, *, workers: int = 10, strict: bool = True) -> None:
        if workers < 1:
            raise ValueError(f"workers={workers}: a fixed pool has at least one worker.")
        self.workers = workers
        self.strict = strict
        self.free_capacity = FreeCapacity()
        self.waiting = Waiting()
        self._made = 0
        self._template: int | None = None

    def decide_now(self, world: World) -> float | None:
        self._made -= len(world.lost)
        if self._made < self.workers:
            self._make(world)
        self.free_capacity.take_in(world)
        for worker in world.readied:
            self.free_capacity.back(world, worker)
        self.waiting.take_in(world)
        if self.waiting.count:
            self.waiting.place_on(world, self.free_capacity.first, self.free_capacity.put, strict=self.strict)
        return world.now_s + 60.0 if self._made < self.workers else None

    def _make(self, world: World) -> None:
        if self._template is None:
            fits = [
                set(by_price_for_size(world, r))
                for r, out in zip(world.shape_requests, world.homeless, strict=True)
                if not out
            ]
            common = set.intersection(*fits) if fits else set()
            if not common:
                raise ValueError(
                    "No template fits every job, and a fixed pool has one template. Give a larger template."
                )
            largest = max(range(len(fits)), key=lambda k: -len(fits[k]))
            request = [r for r, out in zip(world.shape_requests, world.homeless, strict=True) if not out][
                largest
            ]
            self._template = next(t for t in by_price_for_size(world, request) if t in common)
        while self._made < self.workers:
            worker = world.open(self._template)
            if worker is None:
                return
            self._made += 1
            if worker.ready:
                self.free_capacity.add(worker)
