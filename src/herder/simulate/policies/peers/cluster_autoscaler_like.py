"""Imitates the Kubernetes cluster-autoscaler: a look every 10 s, one group of nodes grows at a time, by least waste.

Ours, written from its documents and source (kubernetes/autoscaler): the cluster's scheduler spreads pods over ready nodes (least
allocated); for each template the pods that nothing takes are packed by CPU and memory relative to it, first fit; the template
that wastes least is made, as often as it needs. A node goes after `unneeded_s` without work, and not within that time after growth.
"""

from herder.simulate.policies.late_binding import LateBinding
from herder.simulate.policies.template_order import largeness, size_of
from herder.simulate.world.world import Worker, World


class ClusterAutoscalerLike(LateBinding):
    def __init__(self, *, scan_s: float = 10.0, unneeded_s: float = 600.0) -> None:
        super().__init__(period_s=scan_s, idle_s=unneeded_s)

    def choose(self, world: World, request: int) -> Worker | None:
        guards = world.guards
        best: Worker | None = None
        for worker in self.free_capacity.workers:
            if (worker.room - request) & guards == guards and (best is None or worker.room > best.room):
                best = worker
        return best

    def grow(self, world: World) -> None:
        pending = self.beyond_booting(world)
        options = []
        for template in range(len(world.templates)):
            taken, workers = self._estimate(world, template, pending)
            if taken:
                asked = sum(largeness(world, shape) for shape in taken)
                waste = 1.0 - asked / (workers * size_of(world, template))
                options.append((round(waste, 9), world.templates[template].price, template, workers))
        if options:
            _, _, template, workers = min(options)
            for _ in range(workers):
                if self.make(world, template) is None:
                    break

    @staticmethod
    def _estimate(world: World, template: int, pending: list[int]) -> tuple[list[int], int]:
        """Which pods this template would take, and on how many nodes."""
        guards, size = world.guards, world.sizes[template]
        free_capacity: list[int] = []
        taken: list[int] = []
        for shape in pending:
            request = world.shape_requests[shape]
            if (size - request) & guards != guards:
                continue
            taken.append(shape)
            for place, room in enumerate(free_capacity):
                if (room - request) & guards == guards:
                    free_capacity[place] = room - request
                    break
            else:
                free_capacity.append(size - request)
        return taken, len(free_capacity)
