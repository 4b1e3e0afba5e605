"""Reasons of pools whose workers are nodes: pods that get workers, that wait, that fit nowhere, and clusters that are not seen."""

from collections.abc import Iterator
from dataclasses import replace

from herder.decide.plan.planner import decide
from herder.engine.workers.cluster.node_texts import stale_text
from herder.model.fleet.pool import Taint
from herder.model.fleet.pressure import Measured, Pressure, WorkerUse
from herder.model.planning.cluster import NotConsidered
from herder.model.planning.observed import Observed, PoolHistory
from herder.model.planning.plan import Reason
from tests.planning.test_pending_pods import nodes, on_node, pods, scene
from tests.planning.world import MINUTE, NOW, cores, observed


def pods_get_workers() -> Observed:
    return scene([nodes()], [pods(5)])


def too_few_pods() -> Observed:
    return scene([nodes()], [pods(1)])


def pods_wait() -> Observed:
    return scene([nodes()], [pods(5)], since_ms=NOW - 60_000)


def pods_get_none() -> Observed:
    spec = nodes()
    return scene([replace(spec, scale_up=replace(spec.scale_up, pending_pods=None))], [pods(5)])


def pods_fit_nowhere() -> Observed:
    tainted = replace(nodes("tainted"), taints=(Taint(key="workload-type", value="burst"),))
    return scene(
        [nodes(), tainted],
        [
            pods(2, cores(64)),
            pods(3, number=2, selector=(("disk", "ssd"),)),
            pods(4, number=3, cluster="edge"),
        ],
    )


def pods_have_places() -> Observed:
    return scene([nodes()], [pods(3)], on_node(1, nodes()))


def a_tainted_pool() -> Observed:
    return scene([replace(nodes(), taints=(Taint(key="workload-type", value="burst"),))], [pods(5)])


def no_pods() -> Observed:
    gated = NotConsidered(because="They are gated.", count=2, example="shop/web-1")
    return replace(scene([nodes()], []), not_considered=(("prod", gated),))


def unseen_cluster() -> Observed:
    text = stale_text("prod", "It has not been seen since the server started.")
    spec = replace(nodes(), frozen=True, unseen=text)
    late = replace(on_node(1, spec), expires_at_ms=NOW - MINUTE)
    return scene([spec], [pods(5)], late)


def unseen_cluster_without_pods() -> Observed:
    return replace(unseen_cluster(), demand=(), workers=())


def permanent_grows_first() -> Observed:
    rule = Pressure(above=0.8)
    permanent = nodes("permanent", cpu_pressure=rule, max_workers=3)
    burst = nodes("burst", cpu_pressure=rule, grows_after=("permanent",))
    used = WorkerUse(cpu_milli=15_000, memory_mib=1, at_ms=NOW)
    since = PoolHistory(pressed_since_ms=((Measured.CPU, NOW - 300_000),))
    hot = replace(on_node(1, permanent, use=used), live_attempts=4)
    return observed([permanent, burst], [hot], [], {"permanent": since, "burst": since})


WORLDS = (
    permanent_grows_first,
    pods_get_workers, too_few_pods, pods_wait, pods_get_none, pods_fit_nowhere, pods_have_places, a_tainted_pool, no_pods,
    unseen_cluster, unseen_cluster_without_pods,
)  # fmt: skip


def of_pods() -> Iterator[tuple[str, list[Reason]]]:
    for world in WORLDS:
        plan = decide(world(), NOW)
        found = [action.reason for action in plan.actions]
        found += [reason for report in plan.pools for reason in report.reasons]
        found += [each.reason for each in plan.unplaced]
        yield world.__name__, list(dict.fromkeys(found))
