"""Warnings about clusters and the pools whose workers are nodes. Called by `lint`; pure."""

from collections.abc import Iterator

from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import listed
from herder.settings.load import Settings
from herder.settings.syntax.durations import format_duration

Finding = tuple[str, str, str]
"""(setting, what is wrong, remedy)."""


def cluster_findings(settings: Settings, pool: PoolSpec) -> Iterator[Finding]:
    if not pool.cluster:
        return
    known = {cluster.name: cluster for cluster in settings.clusters}
    cluster = known.get(pool.cluster)
    if cluster is None:
        have = f", or use {listed(sorted(known), 'or')}" if known else ""
        yield (
            "cluster",
            f"Cluster {pool.cluster!r} is not defined under `clusters`.",
            f"Define clusters: {{{pool.cluster}: {{kubeconfig: …}}}} in the server's file{have}.",
        )
    elif cluster.membership != pool.membership.name:
        yield (
            "cluster",
            f"Cluster {cluster.name!r} has membership {cluster.membership}, and the pool has {pool.membership.name}.",
            "Use the same membership in both.",
        )
    wait_s = pool.scale_up.pending_pods_for_s
    if pool.scale_up.pending_pods is not None and wait_s > 3600:
        yield (
            "pending_pods_for",
            f"Pods wait for {format_duration(wait_s)} before a worker is created for them (pending_pods_for).",
            "Write for example 2m.",
        )


def clusters_findings(settings: Settings) -> Iterator[Finding]:
    used = {pool.cluster for pool in settings.pools}
    for cluster in settings.clusters:
        if cluster.name not in used:
            yield (
                f"clusters.{cluster.name}",
                f"No pool uses cluster {cluster.name!r}.",
                f"Set cluster: {cluster.name} in a pool with membership: {cluster.membership}, or remove the cluster.",
            )
