"""What a pool names must be there: its driver and its cluster; and what its workers joined stays. Called before a pool is put in force."""

from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.core import Core
from herder.model.fleet.driver import JOINED
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import counted


def has_driver(core: Core, pool: PoolSpec) -> None:
    for driver in set(pool.drivers) - set(core.drivers):
        known = ", ".join(sorted(name for name in core.drivers if name != JOINED)) or "none"
        raise Invalid(
            f"Pool {pool.name} names driver {driver!r}, which this server does not have.",
            field=f"pools[{pool.name}].driver",
            hint=f"The server has {known}. Declare the driver in the server's herder.yaml and restart the server.",
        )


def keep_membership(core: Core, pool: PoolSpec, index: int) -> None:
    """Workers keep what they joined, so a pool with workers does."""
    known = core.state.pools.get(pool.name)
    if known is None or (known.membership, known.cluster) == (pool.membership, pool.cluster):
        return
    live = sum(worker.spec.pool == pool.name for worker in core.state.workers.values())
    if live:
        key, name = "membership", known.membership.name
        if known.membership == pool.membership:
            key, name = "cluster", known.cluster
        raise Conflict(
            f"Pool {pool.name} has {counted(live, 'worker')} with {key} {name}, so its {key} cannot change.",
            field=f"pools[{index}].{key}",
            hint="Set max_workers: 0 and wait until the workers have ended, or create a new pool.",
        )


def has_cluster(core: Core, pool: PoolSpec) -> None:
    if pool.cluster and pool.cluster not in core.clusters:
        known = ", ".join(sorted(core.clusters)) or "none"
        raise Invalid(
            f"Pool {pool.name} names cluster {pool.cluster!r}, which this server does not have.",
            field=f"pools[{pool.name}].cluster",
            hint=f"The server has {known}. Declare the cluster in the server's herder.yaml and restart the server.",
        )


def has_bootstrap(core: Core, pool: PoolSpec) -> None:
    if pool.bootstrap and pool.bootstrap not in core.bootstraps:
        known = ", ".join(sorted(core.bootstraps)) or "none"
        raise Invalid(
            f"Pool {pool.name} names bootstrap {pool.bootstrap!r}, which this server does not have.",
            field=f"pools[{pool.name}].bootstrap",
            hint=f"The server has {known}. Declare the bootstrap in the server's herder.yaml and restart the server.",
        )
