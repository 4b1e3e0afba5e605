"""Imitates Ray's autoscaler: requests by size, and each new node is of the type that the remaining requests fill best.

Ours, written from its documents and source (ray-project/ray, autoscaler v2): the score of a type is the least, then the mean use of
its resources by what would go onto it; nodes idle for `idle_s` go. Tasks are packed onto the first node that takes them.
"""

from herder.simulate.policies.late_binding import LateBinding
from herder.simulate.world.world import World


class RayLike(LateBinding):
    def __init__(self, *, period_s: float = 5.0, idle_s: float = 300.0) -> None:
        super().__init__(period_s=period_s, idle_s=idle_s)

    def grow(self, world: World) -> None:
        pending = self.beyond_booting(world)
        while pending:
            options = []
            for template in range(len(world.templates)):
                left, score = _fill(world, template, pending)
                if len(left) < len(pending):
                    options.append((score, -template, left))
            if not options:
                return
            _, place, left = max(options, key=lambda option: option[:2])
            if self.make(world, -place) is None:
                return
            pending = left


def _fill(world: World, template: int, pending: list[int]) -> tuple[list[int], tuple[float, float]]:
    """One node filled with what fits, in order: what is left, and the least and the mean use of its resources."""
    guards, room = world.guards, world.sizes[template]
    left: list[int] = []
    for shape in pending:
        request = world.shape_requests[shape]
        if (room - request) & guards == guards:
            room -= request
        else:
            left.append(shape)
    size, free = world.dimensions.unpack(world.sizes[template]), world.dimensions.unpack(room)
    uses = [1.0 - have / whole for have, whole in zip(free, size, strict=True) if whole]
    return left, (round(min(uses), 9), round(sum(uses) / len(uses), 9))
