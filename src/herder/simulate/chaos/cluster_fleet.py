"""What a chaos run with a cluster has besides its usual fleet: two pools whose workers are nodes, and their provider.

Pods of `nodes` are never evicted against their budgets; those of `flex` are deleted when the deadline of a drain has passed.
"""

from dataclasses import replace

from herder.drivers.pretend.settings import PretendSettings
from herder.memberships.kubernetes import MEMBERSHIP
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.pool import PoolSize, PoolSpec, ScaleDown, ScaleUp, Taint, TaintEffect, WorkerLifetime
from herder.model.ids import PoolName
from herder.simulate.chaos.actors.cluster import NAME
from herder.simulate.chaos.fleet import DEAD_AFTER_S, HEARTBEAT_S, Fleet, template

DRIVER = "iaas"
#: Pods of each pool tolerate its taint, and those of `flex` select it.
TAINT = "workload"


def with_cluster(fleet: Fleet, workers: int) -> Fleet:
    """`workers`: maximum number of nodes of both pools together; at least 4."""
    most = max(2, workers // 2)
    return Fleet(
        pools=(*fleet.pools, _pool("nodes", most, OnBlocked.WAIT), _pool("flex", most, OnBlocked.FORCE)),
        providers={
            **fleet.providers,
            DRIVER: PretendSettings(
                create_s=8.0, delete_s=15.0, boot_s=60.0, boot_spread=0.5, machines_most=2 * most + 2
            ),
        },
    )


def _pool(name: str, most: int, on_blocked: OnBlocked) -> PoolSpec:
    force = on_blocked is OnBlocked.FORCE
    return PoolSpec(
        name=PoolName(name),
        driver=DRIVER,
        membership=MEMBERSHIP,
        cluster=NAME,
        templates=(template("medium", 8, 24), template("large", 16, 48)),
        taints=(Taint(key=TAINT, value=name, effect=TaintEffect.NO_SCHEDULE),),
        size=PoolSize(max_workers=most),
        scale_up=ScaleUp(pending_pods=1, pending_pods_for_s=30.0),
        scale_down=ScaleDown(idle_timeout_s=900.0),
        lifetime=replace(
            WorkerLifetime(dead_after_s=DEAD_AFTER_S, heartbeat_max_s=HEARTBEAT_S, on_blocked=on_blocked),
            ttl_s=4 * 3600.0 if force else None,
            ttl_max_s=12 * 3600.0 if force else None,
        ),
    )
