"""Best fit: each job is placed on the worker with the least capacity left afterwards. For comparison only: it keeps nearly empty rented
workers alive (Kamali and Lopez-Ortiz 2014).
"""

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
