"""Whether the picture of a cluster decides anything: it is fresh, and it is one of the cluster whose nodes our workers are. Called by `nodes`.

What decides nothing is as before: no worker is created, removed or repaired because of it.
"""

from collections.abc import Callable

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_node import ClusterLife
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.worker import WorkerState
from herder.model.planning.cluster import ClusterSeen
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted, sentences
from herder.model.values.times import iso

JOINED = frozenset({WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})
#: So many nodes do not go at once by themselves: with a wrong address or context, all of them are missing.
NODES_MISSING_MIN = 3


def too_old(seen: ClusterSeen, stale_after_ms: int, now_ms: int) -> str:
    """Sentences; empty: it is fresh."""
    if seen.as_of_ms is None:
        return sentences("It has not been seen since the server started.", seen.fault)
    if now_ms - seen.as_of_ms <= stale_after_ms:
        return ""
    return sentences(f"It was last seen at {iso(seen.as_of_ms)}.", seen.fault)


def of_another(state: EngineState, cluster: str, node_of: Callable[[WorkerLife], NodeSeen | None]) -> str:
    """Sentences when a fresh picture has none of the nodes that our workers are known to be; else empty."""
    known = 0
    for worker in state.workers.values():
        if worker.spec.cluster != cluster or worker.node is None or worker.state not in JOINED:
            continue
        if node_of(worker) is not None:
            return ""
        known += 1
    if known < NODES_MISSING_MIN:
        return ""
    return (
        f"It has none of the {counted(known, 'node')} of its workers, so another cluster may answer at its address. "
        "Correct its address, its kubeconfig or its context. If the nodes were deleted, let their kubelets register them again, or run "
        "`herder worker remove NAME --force` for each."
    )


def believe(state: EngineState, changes: Changes, life: ClusterLife, why_not: str, now_ms: int) -> None:
    """When it stops and begins to decide, that is an event."""
    seen, was, life.stale = life.seen, life.stale, why_not
    if not why_not:
        if was and life.told:
            _tell(state, changes, life, now_ms, "cluster.seen", f"Cluster {seen.cluster} is seen again.")
        life.told = False
        return
    never = seen.as_of_ms is None and not seen.fault  # it is being connected to
    if not life.told and not never:
        life.told = True
        text = sentences(
            f"Cluster {seen.cluster} is not seen, so its pools create and remove no workers", why_not
        )
        _tell(state, changes, life, now_ms, "cluster.stale", text)


def _tell(state: EngineState, changes: Changes, life: ClusterLife, now_ms: int, kind: str, text: str) -> None:
    name = life.seen.cluster
    data: dict[str, object] = {"as_of_ms": life.seen.as_of_ms}
    record_event(state, changes, now_ms, kind, f"cluster/{name}", text, data=data)
