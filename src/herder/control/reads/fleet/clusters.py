"""Views of clusters: how each was seen last, what is wrong with it, and its nodes that are workers. From memory, but for the check."""

from collections import Counter

from herder.control.kernel.bounds.errors import Invalid, NotKnown, NotReady
from herder.control.kernel.core import Core
from herder.decide.eligibility.scheduling_info import scheduling_info
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_node import ClusterLife
from herder.engine.workers.cluster.nodes import twins_text
from herder.engine.workers.draining.drain_texts import progress_text
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName
from herder.model.planning.cluster import ClusterSeen, PodGroup
from herder.model.values.phrases import agree, clause, counted, listed, sentence, sentences
from herder.model.values.resources import Resources
from herder.model.values.times import iso_or_none, span
from herder.ports.cluster import ClusterError
from herder.wire.api.clusters import (
    ClusterChecks,
    ClusterCheckView,
    ClusterNodeView,
    ClusterView,
    SchedulingInfo,
)

#: Nodes that a sentence names.
NODES_NAMED_MAX = 3
#: Sizes of pending pods that are told apart, and drains that are told.
SIZES_MAX, BLOCKED_MAX = 5, 20
#: Sorts of pods that are no demand, of each cluster in the status.
LEFT_OUT_MAX = 5


def cluster_views(core: Core) -> list[ClusterView]:
    return [_view(core, name) for name in sorted(core.clusters)]


def cluster_view(core: Core, name: str) -> ClusterView:
    """With its nodes that are workers. Raises NotKnown."""
    _check_known(core, name)
    view = _view(core, name)
    now_ms = core.clock.now_ms()
    view.worker_nodes = [_node(core, worker, now_ms) for worker in _workers(core, name)]
    return view


async def check(core: Core, name: str) -> ClusterChecks:
    """Asks the cluster. Raises NotKnown and NotReady."""
    _check_known(core, name)
    try:
        found = await core.clusters[name].check()
    except ClusterError as error:
        raise NotReady(sentence(f"Cluster {name} cannot be checked: {clause(error)}")) from None
    checks = [
        ClusterCheckView(name=each.name, passed=each.passed, detail=each.detail, remedy=each.remedy)
        for each in found
    ]
    return ClusterChecks(cluster=name, passed=all(each.passed for each in checks), checks=checks)


def scheduling_view(core: Core, name: str) -> SchedulingInfo:
    """How a pod asks for a worker of this pool. Raises NotKnown and Invalid."""
    pool = core.state.pools.get(PoolName(name))
    if pool is None:
        raise NotKnown(f"Pool {name!r} does not exist.", hint="`herder pool list` shows all pools.")
    if not pool.membership.takes_pods:
        raise Invalid(
            f"Workers of pool {name} run no pods (membership {pool.membership.name}).",
            hint=f"`herder pool get {name}` shows the taints and labels that its jobs see.",
        )
    found = scheduling_info(pool)
    return SchedulingInfo(
        pool=name,
        cluster=pool.cluster,
        node_selector=found.node_selector,
        tolerations=list(found.tolerations),
        priority_class=found.priority_class,
        requests=found.requests,
        limits=found.limits,
        yaml=found.yaml,
    )


def troubles(core: Core) -> list[str]:
    """A sentence for everything that a person should look at."""
    return [text for name in sorted(core.clusters) for text in _problems(core, name)]


def states(core: Core) -> list[str]:
    """A sentence for each that is seen."""
    found = []
    for view in cluster_views(core):
        if view.state == "seen":
            ready = f"{view.ready_nodes:,} of {counted(view.nodes, 'node')} {agree(view.nodes, 'is', 'are')} ready"
            waiting = f"{counted(view.pending_pods, 'pod')} {agree(view.pending_pods, 'is', 'are')} pending"
            found.append(f"Cluster {view.name}: {ready}, {waiting}.")
            found += [
                f"Not considered in cluster {view.name}: {text}"
                for text in view.not_considered[:LEFT_OUT_MAX]
            ]
    return found


def _view(core: Core, name: str) -> ClusterView:
    life = core.state.clusters.get(name, ClusterLife())
    seen = life.seen
    state = "seen" if not life.stale else "never" if seen.as_of_ms is None else "stale"
    return ClusterView(
        name=name,
        membership=next((each.membership.name for each in _pools(core, name)), ""),
        state=state,  # type: ignore[arg-type]
        reason=life.stale,
        as_of=iso_or_none(seen.as_of_ms),
        version=seen.version,
        nodes=len(seen.nodes),
        ready_nodes=sum(node.ready is True for node in seen.nodes),
        workers=len(_workers(core, name)),
        pending_pods=sum(group.count for group in seen.pending),
        pending=_pending(seen, core.clock.now_ms()),
        blocked_drains=_blocked(core, name),
        not_considered=[
            sentences(f"{counted(each.count, 'pod')}, for example {each.example}", each.because)
            for each in seen.not_considered
        ],
        problems=_problems(core, name),
        pools=[pool.name for pool in _pools(core, name)],
    )


def _pending(seen: ClusterSeen, now_ms: int) -> list[str]:
    """Pods of one size, whatever their other rules are."""
    counts: Counter[Resources] = Counter()
    oldest: dict[Resources, PodGroup] = {}
    for group in seen.pending:
        size = group.shape.request
        counts[size] += group.count
        if size not in oldest or group.since_ms < oldest[size].since_ms:
            oldest[size] = group
    shown = counts.most_common()
    found = [
        f"{counted(count, 'pod')} {agree(count, 'requests', 'request')} {size}{agree(count, '', ' each')}. "
        f"The oldest has waited for {span(max(0, now_ms - oldest[size].since_ms))}. Example: {oldest[size].example}."
        for size, count in shown[:SIZES_MAX]
    ]
    if len(shown) > SIZES_MAX:
        others = sum(count for _, count in shown[SIZES_MAX:])
        found.append(
            f"{counted(others, 'pod')} {agree(others, 'has', 'have')} one of {counted(len(shown) - SIZES_MAX, 'other size')}."
        )
    return found


def _blocked(core: Core, name: str) -> list[str]:
    now_ms = core.clock.now_ms()
    return [
        progress_text(core.state, worker, now_ms)
        for worker in _workers(core, name)
        if worker.drain is not None and worker.node is not None and worker.node.blocked
    ][:BLOCKED_MAX]


def _problems(core: Core, name: str) -> list[str]:
    life = core.state.clusters.get(name)
    if life is None:
        return []
    found = []
    starting = life.seen.as_of_ms is None and not life.seen.fault
    if life.stale and not starting:
        found.append(
            sentences(f"Cluster {name} is not seen, so its pools create and remove no workers", life.stale)
        )
    if life.trouble and not life.stale:
        found.append(sentences(f"A call to cluster {name} failed: {life.trouble}", "It is tried again"))
    if not life.stale:
        found += _not_up_to_date(name, life.seen)
        found += life.seen.notes
    found += _missing(core, name)
    unreadable = [node.text for node in life.seen.nodes if node.ready and node.text]
    found += unreadable[:NODES_NAMED_MAX]
    found += [twins_text(worker, nodes) for worker, nodes in sorted(life.twins.items())]
    if life.strangers:
        some = listed(life.strangers[:NODES_NAMED_MAX])
        more = len(life.strangers) - NODES_NAMED_MAX
        named = f"{some} and {more:,} more" if more > 0 else some
        say = agree(len(life.strangers), "has the label of a worker", "have the labels of workers")
        found.append(
            f"{counted(len(life.strangers), 'node')} of cluster {name} {say} that this server does not have: {named}. "
            "Remove them with kubectl when their machines no longer exist."
        )
    return found


def _missing(core: Core, name: str) -> list[str]:
    """Nodes that were deleted or renamed under workers that are not being removed."""
    gone = [
        worker
        for worker in _workers(core, name)
        if worker.node is not None and worker.node.missing and not worker.state.leaving
    ]
    found = [
        f"Node {worker.node.name} of worker {worker.spec.name} is not in cluster {name}: it was deleted or has another name now. "
        f"Let its kubelet register it again, or run `herder worker remove {worker.spec.name}`."
        for worker in gone[:NODES_NAMED_MAX]
        if worker.node is not None
    ]
    if len(gone) > NODES_NAMED_MAX:
        more = len(gone) - NODES_NAMED_MAX
        found.append(
            f"{counted(more, 'more worker')} of cluster {name} {agree(more, 'has', 'have')} no node there."
        )
    return found


def _not_up_to_date(name: str, seen: ClusterSeen) -> list[str]:
    """Its picture is not too old yet, but it does not follow the cluster now."""
    if not seen.fault or seen.as_of_ms is None:
        return []
    return [sentences(f"Cluster {name} was last seen at {iso_or_none(seen.as_of_ms)}", seen.fault)]


def _node(core: Core, worker: WorkerLife, now_ms: int) -> ClusterNodeView:
    node = worker.node
    seen = None if node is None else node.seen
    why = progress_text(core.state, worker, now_ms)
    if not why:
        why = next((sentence(each.message) for each in worker.health.conditions.values()), "")
    return ClusterNodeView(
        node="" if node is None else node.name,
        worker=worker.spec.name,
        pool=worker.spec.pool,
        state=worker.state.value,
        ready=None if seen is None else seen.ready,
        cordoned=seen is not None and seen.cordoned,
        pods=0 if node is None else node.pods,
        reason=why,
    )


def _workers(core: Core, name: str) -> list[WorkerLife]:
    return [worker for worker in core.state.workers.values() if worker.spec.cluster == name]


def _pools(core: Core, name: str) -> list[PoolSpec]:
    return [pool for _, pool in sorted(core.state.pools.items()) if pool.cluster == name]


def _check_known(core: Core, name: str) -> None:
    if name not in core.clusters:
        known = ", ".join(sorted(core.clusters)) or "none"
        raise NotKnown(f"This server has no cluster {name[:50]!r}.", hint=f"The server has {known}.")
