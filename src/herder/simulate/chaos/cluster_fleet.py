"""What a chaos run with a cluster has besides its usual fleet: two pools whose workers are nodes, their provider, and a pool of Kubernetes Jobs.

Pods of `nodes` are never evicted against their budgets; those of `flex` are deleted when the deadline of a drain has passed.
Jobs run on nodes of the cluster's own (`sites`).
"""

from dataclasses import replace

from herder.drivers.kubernetes_jobs import KubernetesJobsSettings
from herder.drivers.pretend.settings import PretendSettings
from herder.memberships.kubernetes import MEMBERSHIP
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.pool import (
    JobRules,
    PoolSize,
    PoolSpec,
    ScaleDown,
    ScaleUp,
    Taint,
    TaintEffect,
    WorkerLifetime,
)
from herder.model.ids import PoolName
from herder.simulate.chaos.actors.cluster import NAME, NAMESPACE, SITE
from herder.simulate.chaos.fleet import DEAD_AFTER_S, HEARTBEAT_S, Fleet, template

DRIVER = "iaas"
#: Pods of each pool tolerate its taint, and those of `flex` select it.
TAINT = "workload"


#: Of the pool of Kubernetes Jobs and its driver. Finished Jobs are kept for longer than a rule allows one to be left over.
JOBS = "jobs"
IMAGE = "registry.example/herder:1"
JOBS_SETTINGS = KubernetesJobsSettings(
    image=IMAGE, namespace=NAMESPACE, node_selector=f"{SITE}=own", ttl_after_finished_s=3600
)
SITE_CPU = 8


def sites_of(workers: int) -> int:
    """So many nodes that the largest Jobs do not all fit at once."""
    return 2 + workers // 10


def with_cluster(fleet: Fleet, workers: int) -> Fleet:
    """`workers`: maximum number of nodes of both pools together; at least 4."""
    most = max(2, workers // 2)
    return Fleet(
        job_drivers={JOBS: JOBS_SETTINGS},
        pools=(
            *fleet.pools,
            _pool("nodes", most, OnBlocked.WAIT),
            _pool("flex", most, OnBlocked.FORCE),
            _jobs_pool(most),
        ),
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


def _jobs_pool(most: int) -> PoolSpec:
    """Cheap, so that it is preferred."""
    templates = (template("job-small", 2, 2), template("job-large", 6, 6))
    return PoolSpec(
        name=PoolName(JOBS),
        driver=JOBS,
        templates=tuple(
            replace(each, slots=1, allocatable=each.allocatable.replaced("disk_mib", 0)) for each in templates
        ),
        size=PoolSize(max_workers=most),
        scale_down=ScaleDown(idle_timeout_s=300.0),
        lifetime=WorkerLifetime(dead_after_s=DEAD_AFTER_S, heartbeat_max_s=HEARTBEAT_S, drain_grace_s=300.0),
        jobs=JobRules(one_per_worker=True),
    )
