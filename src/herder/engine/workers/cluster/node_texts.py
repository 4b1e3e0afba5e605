"""What people are told of a node that is being emptied, and of a cluster that is not seen. Used by `drain_texts.py` and `control/reads/`."""

from herder.engine.memory.state import EngineState, WorkerLife, pool_of
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.node import Blocked
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import agree, counted, sentences, stopped
from herder.model.values.times import span

#: Pods that a sentence names.
PODS_NAMED_MAX = 3


def progress(state: EngineState, worker: WorkerLife, now_ms: int, until_ms: int | None) -> str:
    """How far the drain of a node is, and what blocks it."""
    name, node, drain = worker.spec.name, worker.node, worker.drain
    if node is None or drain is None:
        return ""
    left = node.pods if node.left is None else node.left
    begun = max(drain.attempts, left)
    have = agree(begun, "has", "have")
    text = f"Worker {name} is being drained: {begun - left:,} of {counted(begun, 'pod')} {have} left its node {node.name}."
    late_ms = now_ms - (until_ms or now_ms)
    if drain.blocked_at_ms is not None and late_ms > 0:
        pods = f"{counted(left, 'pod')} {agree(left, 'is', 'are')} still on its node {node.name}"
        text = f"The drain of worker {name} is blocked: its deadline passed {span(late_ms)} ago, and {pods}."
    return sentences(text, _blockers(worker), _unseen(state, worker), _remedy(state, worker))


def _blockers(worker: WorkerLife) -> str:
    blocked = () if worker.node is None else worker.node.blocked
    said = [blocked_text(each) for each in blocked[:PODS_NAMED_MAX]]
    if len(blocked) > PODS_NAMED_MAX:
        said.append(f"{len(blocked) - PODS_NAMED_MAX:,} more cannot be evicted now.")
    return " ".join(said)


def blocked_text(blocked: Blocked) -> str:
    """Most causes name the pod themselves."""
    text = stopped(blocked.text)
    return text if text.startswith(f"Pod {blocked.pod} ") else f"Pod {blocked.pod}: {text}"


def _unseen(state: EngineState, worker: WorkerLife) -> str:
    cluster = state.clusters.get(worker.spec.cluster)
    if cluster is None:
        return f"This server does not know cluster {worker.spec.cluster}"
    return f"Cluster {worker.spec.cluster} is not seen now. {cluster.stale}" if cluster.stale else ""


def _remedy(state: EngineState, worker: WorkerLife) -> str:
    name, drain = worker.spec.name, worker.drain
    if drain is None or drain.blocked_at_ms is None:
        return ""
    waits = (
        "The pool waits for them (on_blocked: wait). "
        if pool_of(state, worker).lifetime.on_blocked is OnBlocked.WAIT
        else ""
    )
    verb = "drain" if drain.keep else "remove"
    return f"{waits}To delete them against their budgets, run `herder worker {verb} {name} --force`"


def unseen_text(state: EngineState, pool: PoolSpec) -> str:
    """Why a pool creates and removes nothing because its cluster is not seen, in sentences; empty: it is seen, or the pool has none."""
    if not pool.cluster:
        return ""
    cluster = state.clusters.get(pool.cluster)
    stale = "This server does not follow it yet." if cluster is None else cluster.stale
    return stale_text(pool.cluster, stale) if stale else ""


def stale_text(cluster: str, why: str) -> str:
    """Why pools of a cluster create and remove nothing. It must not change while nothing happens: plans are compared by it."""
    return sentences(f"Cluster {cluster} is not seen now, so nothing is known of its nodes and pods", why)
