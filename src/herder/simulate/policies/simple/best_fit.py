"""Best fit: each job goes to the worker on which it leaves least room. Here to show that it is bad for rented workers: it
keeps nearly empty ones alive (Kamali and Lopez-Ortiz 2014)."""

from herder.simulate.policies.simple.first_fit import FirstFit
from herder.simulate.world.world import Worker, World


class BestFit(FirstFit):
    def choose(self, world: World, request: int) -> Worker | None:
        guards = world.guards
        best: Worker | None = None
        for worker in self.free_capacity.workers:
            if (worker.room - request) & guards == guards and (best is None or worker.room < best.room):
                best = worker
        return best
