"""Workers with free capacity, oldest first, updated from the simulated world: shared by the policies.

A policy calls `take_in` first, then `first`, `best` or its own scan over `workers`, and `put` or `add` for what it does. The list
leaves out workers that are full, so a scan costs as much as there are half-empty workers.
"""

from bisect import bisect_left

from herder.simulate.world.world import Worker, World


class FreeCapacity:
    __slots__ = ("_numbers", "workers")

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        """Not full and not closed, by age."""
        self._numbers: list[int] = []

    def take_in(self, world: World) -> None:
        """What ended and what was lost since the last time."""
        guards, least, numbers = world.guards, world.least, self._numbers
        for worker in world.freed:
            if worker.closed_s is None and (worker.room - least) & guards == guards:
                place = bisect_left(numbers, worker.number)
                if place == len(numbers) or numbers[place] != worker.number:
                    numbers.insert(place, worker.number)
                    self.workers.insert(place, worker)
        for worker in world.lost:
            self.drop(worker)

    def add(self, worker: Worker) -> None:
        """A new one: the youngest."""
        self._numbers.append(worker.number)
        self.workers.append(worker)

    def put(self, world: World, job: int, worker: Worker) -> None:
        world.place(job, worker)
        guards = world.guards
        if (worker.room - world.least) & guards != guards:
            self.drop(worker)

    def back(self, world: World, worker: Worker) -> None:
        """It has room again although nothing ended on it."""
        place = bisect_left(self._numbers, worker.number)
        if place == len(self._numbers) or self._numbers[place] != worker.number:
            self._numbers.insert(place, worker.number)
            self.workers.insert(place, worker)

    def drop(self, worker: Worker) -> None:
        place = bisect_left(self._numbers, worker.number)
        if place < len(self._numbers) and self._numbers[place] == worker.number:
            del self._numbers[place], self.workers[place]

    def close(self, world: World, worker: Worker) -> None:
        self.drop(worker)
        world.close(worker)

    def first(self, world: World, request: int) -> Worker | None:
        """The oldest that can take it."""
        guards = world.guards
        for worker in self.workers:
            if (worker.room - request) & guards == guards:
                return worker
        return None
