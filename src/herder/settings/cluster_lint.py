"""Warnings about clusters and the pools whose workers are nodes. Called by `lint`; pure."""

from collections.abc import Iterator

from herder.model.fleet.membership import LivesBy
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import listed
from herder.settings.load import Settings
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.problems import Severity

Finding = tuple[str, str, str]
"""(setting, what is wrong, remedy)."""
#: The kind of driver whose workers are Kubernetes Jobs.
_JOBS_KIND = "kubernetes-jobs"
#: Kinds of drivers whose workers are processes or pods.
_WITHOUT_NODES = ("local", _JOBS_KIND)


def cluster_findings(settings: Settings, pool: PoolSpec) -> Iterator[Finding]:
    yield from _order(settings, pool)
    yield from _one_job(settings, pool)
    yield from _no_nodes(settings, pool)
    if not pool.cluster:
        return
    known = {cluster.name: cluster for cluster in settings.clusters}
    cluster = known.get(pool.cluster)
    if cluster is not None and cluster.membership != pool.membership.name:
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


def undefined_findings(settings: Settings, pool: PoolSpec) -> Iterator[tuple[Severity, str, str, str]]:
    """A server refuses these. A file of pools alone may be applied to a server that has them."""
    of_a_server = bool(settings.clusters or settings.drivers or settings.bootstraps)
    severity = Severity.ERROR if of_a_server else Severity.WARNING
    for kind, named, known, how in (
        ("cluster", pool.cluster, {each.name for each in settings.clusters}, "kubeconfig"),
        ("bootstrap", pool.bootstrap, {each.name for each in settings.bootstraps}, "kind"),
    ):
        if named and named not in known:
            have = f", or use {listed(sorted(known), 'or')}" if known else ""
            yield (
                severity,
                kind,
                f"{kind.capitalize()} {named!r} is not defined under `{kind}s`.",
                f"Define {kind}s: {{{named}: {{{how}: …}}}} in the server's file{have}.",
            )


def _one_job(settings: Settings, pool: PoolSpec) -> Iterator[Finding]:
    """Such a worker runs one job and ends. The driver refuses one with more places."""
    driver = settings.driver(pool.driver)
    if (
        driver is None
        or driver.kind != _JOBS_KIND
        or pool.jobs.one_per_worker
        or not pool.membership.takes_jobs
    ):
        return
    yield (
        "one_job_per_worker",
        f"Driver {driver.name!r} creates each worker as a Kubernetes Job for one job of Herder, but one_job_per_worker is false.",
        "Set one_job_per_worker: true.",
    )


def _no_nodes(settings: Settings, pool: PoolSpec) -> Iterator[Finding]:
    driver = settings.driver(pool.driver)
    kind = pool.driver if driver is None else driver.kind
    if pool.membership.lives_by is LivesBy.NODE and kind in _WITHOUT_NODES:
        yield (
            "driver",
            f"Driver {pool.driver!r} (kind {kind}) creates no machines that become nodes, so a worker of this pool never becomes ready.",
            "Set driver to one that creates machines, or to one of kind pretend for a first try.",
        )


def _order(settings: Settings, pool: PoolSpec) -> Iterator[Finding]:
    pools = {each.name: each for each in settings.pools}
    for name in pool.scale_up.grows_after:
        first = next((each for key, each in pools.items() if key == name), None)
        if first is None or first.name == pool.name:
            what = (
                "names itself"
                if first is not None
                else f"names pool {name!r}, which these files do not define"
            )
            yield "grows_after", f"grows_after {what}.", "Name other pools of these files."
        elif not first.scale_up.measured:
            yield (
                "grows_after",
                f"Pool {name} has no cpu_pressure or memory_pressure, so it never grows for pressure and its use is unknown.",
                f"Set the same pressure in pool {name}.",
            )
    if pool.scale_up.grows_after and not pool.scale_up.measured:
        yield (
            "grows_after",
            "grows_after has no effect without cpu_pressure or memory_pressure.",
            "Set one of them, or remove grows_after.",
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
    named = {pool.bootstrap for pool in settings.pools}
    for bootstrap in settings.bootstraps:
        if bootstrap.name not in named:
            yield (
                f"bootstraps.{bootstrap.name}",
                f"No pool uses bootstrap {bootstrap.name!r}.",
                f"Set bootstrap: {bootstrap.name} in a pool whose workers are nodes, or remove the bootstrap.",
            )
