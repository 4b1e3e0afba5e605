"""The order in which a policy tries templates for a job. Shared by the policies; looks at prices and sizes only."""

from herder.simulate.world.world import World


def fitting(world: World, request: int) -> list[int]:
    """Templates on which the request fits alone."""
    return [
        number for number, size in enumerate(world.sizes) if (size - request) & world.guards == world.guards
    ]


def unit_price(world: World, template: int) -> float:
    """Price by size; the size is the sum over dimensions of the part of the largest template's."""
    return world.templates[template].price / max(size_of(world, template), 1e-12)


def size_of(world: World, template: int) -> float:
    """The sum over resources of the part of the largest template's that this one has."""
    return _parts(world, world.sizes[template])


def largeness(world: World, shape: int) -> float:
    """The same for what a shape asks for."""
    return _parts(world, world.shape_requests[shape])


def _parts(world: World, packed: int) -> float:
    columns = zip(*(world.dimensions.unpack(size) for size in world.sizes), strict=True)
    amounts = world.dimensions.unpack(packed)
    return float(
        sum(have / max(column) for have, column in zip(amounts, columns, strict=True) if max(column))
    )


def by_price_for_size(world: World, request: int) -> list[int]:
    """The cheapest for its size first; of equals the larger."""
    return sorted(
        fitting(world, request), key=lambda t: (round(unit_price(world, t), 9), -size_of(world, t), t)
    )
