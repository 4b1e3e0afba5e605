"""Fleets for simulated worlds with a cluster."""

from dataclasses import replace

from herder.simulate.chaos.fleet import Fleet


def short_lives(fleet: Fleet) -> Fleet:
    """Nodes live for a quarter of an hour: they are drained under their pods again and again."""
    life = {"ttl_s": 900.0, "ttl_max_s": 1800.0, "ttl_grace_s": 30.0, "ttl_warning_s": 60.0}
    return replace(
        fleet,
        pools=tuple(
            replace(pool, lifetime=replace(pool.lifetime, **life)) if pool.cluster else pool
            for pool in fleet.pools
        ),
    )
