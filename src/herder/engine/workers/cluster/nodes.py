"""Workers that are nodes of a cluster: from its picture, their readiness, free capacity, idleness and conditions; and what is to be done to them.

`look` is called by `control/loops/clusters.py` with each new picture. `to_do` says which calls a worker's node needs now; the loop makes
them and reports what came of it. A picture that is not fresh changes nothing: a node that is not in it is not gone. Nothing here calls a
cluster, and nothing is ever done to a node of another uid.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.memory.worker_node import ClusterLife, NodeLife
from herder.engine.memory.worker_repair import CLUSTER, Step
from herder.engine.workers import creation
from herder.engine.workers.cluster.pictures import JOINED, believe, of_another, too_old
from herder.engine.workers.draining import drains
from herder.engine.workers.draining.drain_texts import on_blocked
from herder.engine.workers.repairs.conditions import Found, report
from herder.engine.workers.worker import becomes_ready
from herder.engine.workers.worker import seen as heard_of
from herder.model.fleet.creation import Step as CreationStep
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.node import Emptying, NodeSeen
from herder.model.fleet.repair import BOOTS, Condition
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, WorkerName
from herder.model.planning.cluster import ClusterSeen, NotConsidered, PodGroup
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, listed
from herder.model.work.demand import Shape

#: A node on which more of the CPU is in use is not idle, whatever runs there.
IDLE_CPU_PERCENT = 5
#: Two passes of an emptying must find nothing, with this time between them: the first may have been faster than the news of a pod.
EMPTY_FOR_MS = 2_000
#: Shapes of pods of one cluster that are demand; more are left out, the last ones.
SHAPES_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDo:
    """What the node of a worker needs now, the first first. One that is to be marked needs nothing else before that."""

    node: NodeSeen
    mark: bool = False
    cordon: bool | None = None
    empty: bool = False
    force: bool = False

    @property
    def anything(self) -> bool:
        return self.mark or self.cordon is not None or self.empty


def look(
    state: EngineState, changes: Changes, seen: ClusterSeen, stale_after_ms: int, now_ms: int
) -> ClusterLife:
    """A picture of a cluster, new or only older."""
    life = state.clusters.setdefault(seen.cluster, ClusterLife())
    renumber = life.seen.pending is not seen.pending
    life.seen = seen
    if renumber:
        _number(state, life)
    why_not = too_old(seen, stale_after_ms, now_ms)
    claims, by_uid = ({}, {}) if why_not else _claims(state, life)

    def node_of(worker: WorkerLife) -> NodeSeen | None:
        return _node_of(state.workers, worker, claims.get(worker.spec.name, ()), by_uid)

    believe(state, changes, life, why_not or of_another(state, seen.cluster, node_of), now_ms)
    if life.stale:
        return life
    for worker in list(state.workers.values()):
        if worker.spec.cluster != seen.cluster or worker.spec.membership.lives_by is not LivesBy.NODE:
            continue
        found = node_of(worker)
        if worker.state is WorkerState.JOINING:
            _joining(state, changes, worker, found, now_ms)
        elif worker.state in JOINED:
            _joined(state, changes, worker, found, now_ms)
        elif worker.node is not None:
            worker.node.seen = found
    return life


def to_do(state: EngineState, worker: WorkerLife) -> ToDo | None:
    """None when its node is not to be seen now, or needs nothing."""
    node = worker.node
    if node is None or node.seen is None or node.seen.uid != node.uid or worker.state.ended:
        return None
    if not node.marked or not expiry_labels(worker).items() <= set(node.seen.labels):
        return ToDo(node=node.seen, mark=True)
    wanted = _wants_cordon(worker)
    cordon = None
    if wanted and not node.seen.cordoned:
        cordon = True
    elif not wanted and node.cordoned:
        cordon = False
    found = ToDo(
        node=node.seen,
        cordon=cordon,
        empty=_wants_emptying(worker) and node.seen.cordoned and not node.emptied,
        force=node.forced,
    )
    return found if found.anything else None


def marked(state: EngineState, worker: WorkerLife, uid: str) -> None:
    """It carries our labels and taints."""
    if worker.node is not None and worker.node.uid == uid and not worker.node.marked:
        worker.node.marked = True
        state.dirty_workers[worker.spec.name] = worker


def cordoning(state: EngineState, worker: WorkerLife, cordoned: bool) -> None:
    """A cordon is about to be set, or was taken away: what is ours is stored before it is done."""
    if worker.node is not None and worker.node.cordoned != cordoned:
        worker.node.cordoned = cordoned
        state.dirty_workers[worker.spec.name] = worker


def emptying(
    state: EngineState, changes: Changes, worker: WorkerLife, uid: str, found: Emptying, now_ms: int
) -> None:
    """What a pass of the emptying of its node came to."""
    node = worker.node
    if node is None or node.uid != uid or not _wants_emptying(worker):
        return  # taken back, or another node, while the call was under way
    node.left, node.blocked = found.left, tuple(found.blocked)
    if found.left:
        node.empty_since_ms = None
    elif node.empty_since_ms is None:
        node.empty_since_ms = now_ms
    elif now_ms - node.empty_since_ms >= EMPTY_FOR_MS:
        node.emptied = True
        drains.look(state, changes, worker, on_blocked(state, worker), now_ms)


def node_labels(worker: WorkerLife, labels: Mapping[str, str]) -> dict[str, str]:
    """What its node is marked with: the worker's labels, and on top of them those that say whose it is and until when it lives."""
    return {**dict(worker.spec.labels), **expiry_labels(worker), **labels}


def expiry_labels(worker: WorkerLife) -> dict[str, str]:
    """Labels that mirror the end of its ttl, as the documented pools have them. The expiry itself lives in the store."""
    if worker.expires_at_ms is None or worker.ready_at_ms is None:
        return {}
    hours = (worker.expires_at_ms - worker.ready_at_ms) / 3_600_000
    return {
        "provisioned-at": str((worker.provisioned_at_ms or worker.ready_at_ms) // 1000),
        "ttl": str(worker.expires_at_ms // 1000),
        "ttl-hours": f"{hours:.2f}".rstrip("0").rstrip("."),
    }


def pods_waiting(state: EngineState) -> Iterator[tuple[ClassId, Shape, PodGroup]]:
    """The pending pods of all clusters as they were seen last, with the number and the shape that they have in observations."""
    for _, life in sorted(state.clusters.items()):
        for group in life.seen.pending:
            number = life.numbers.get(group.shape)
            if number is not None:
                yield *number, group


def not_considered(state: EngineState) -> tuple[tuple[str, NotConsidered], ...]:
    """Pods that wait and are no demand, by cluster."""
    return tuple(
        (name, each) for name, life in sorted(state.clusters.items()) for each in life.seen.not_considered
    )


def cordoned_by_others(worker: WorkerLife) -> bool:
    """Somebody else keeps new pods from its node."""
    node = worker.node
    return node is not None and node.seen is not None and node.seen.cordoned and not node.cordoned


def _number(state: EngineState, life: ClusterLife) -> None:
    """Shapes that are new get the next numbers; those that are gone lose theirs."""
    before = life.numbers
    life.numbers = {}
    for group in life.seen.pending[:SHAPES_MAX]:
        known = before.get(group.shape)
        if known is None:
            known = ClassId(-state.next_shape), replace(group.shape, cluster=life.seen.cluster)
            state.next_shape += 1
        life.numbers[group.shape] = known


def troubled(state: EngineState, cluster: str, text: str) -> bool:
    """What came of the last call to a node of it, when that failed; empty: nothing is wrong. Answers whether that is news."""
    life = state.clusters[cluster]
    news, life.trouble = text != life.trouble, text
    return news


def strangers(state: EngineState, cluster: str, found: Sequence[NodeSeen]) -> None:
    """Nodes that say they are workers which this server does not have, for people to see."""
    state.clusters[cluster].strangers = tuple(sorted(node.name for node in found))


def _claims(
    state: EngineState, life: ClusterLife
) -> tuple[Mapping[WorkerName, list[NodeSeen]], Mapping[str, NodeSeen]]:
    """By worker, the nodes that say they are it, or have its name and say nothing; and all nodes by uid."""
    claims: dict[WorkerName, list[NodeSeen]] = defaultdict(list)
    by_uid = {}
    for node in life.seen.nodes:
        by_uid[node.uid] = node
        if node.worker is not None:
            claims[node.worker].append(node)
        elif WorkerName(node.name) in state.workers:
            claims[WorkerName(node.name)].append(node)
    life.twins = {
        name: tuple(sorted(each.name for each in nodes)) for name, nodes in claims.items() if len(nodes) > 1
    }
    return claims, by_uid


def _node_of(
    workers: Collection[WorkerName],
    worker: WorkerLife,
    claims: list[NodeSeen] | tuple[NodeSeen, ...],
    by_uid: Mapping[str, NodeSeen],
) -> NodeSeen | None:
    """The node that it is known to be, as long as that exists and was not given to another worker; else the oldest that says so."""
    if worker.node is not None and worker.node.uid in by_uid:
        found = by_uid[worker.node.uid]
        if found.worker in (None, worker.spec.name) or found.worker not in workers:
            return found
    return min(claims, key=lambda each: (each.worker is None, each.created_at_ms, each.uid), default=None)


def _taken_as(state: EngineState, worker: WorkerLife, found: NodeSeen) -> NodeLife:
    """A node of another uid is a new one: it is ours when it has been marked."""
    node = worker.node
    if node is None or node.uid != found.uid:
        node = worker.node = NodeLife(name=found.name, uid=found.uid)
        state.dirty_workers[worker.spec.name] = worker
    node.seen, node.missing = found, False
    return node


def _joining(
    state: EngineState, changes: Changes, worker: WorkerLife, found: NodeSeen | None, now_ms: int
) -> None:
    """To have joined, to be schedulable, and to show its GPUs are three steps."""
    if found is None:
        if worker.node is not None:
            worker.node.seen = None
        return
    node = _taken_as(state, worker, found)
    step = CreationStep.READY
    if node.marked and found.ready and not found.held_by:
        lacking = found.allocatable.gpu < worker.spec.allocatable.gpu
        if not lacking:
            becomes_ready(state, changes, worker, now_ms)
            _joined(state, changes, worker, found, now_ms)
            return
        step = CreationStep.DEVICE_PLUGIN
    before = creation.creation_of(worker)
    worker.creation = before.at(step, now_ms)
    if worker.creation != before:
        state.dirty_workers[worker.spec.name] = worker


def _joined(
    state: EngineState, changes: Changes, worker: WorkerLife, found: NodeSeen | None, now_ms: int
) -> None:
    if found is None:
        _missing(state, changes, worker, now_ms)
        return
    before = worker.node
    unchanged = before is not None and before.seen is found and worker.state is not WorkerState.UNHEALTHY
    _taken_as(state, worker, found)
    if unchanged and not worker.health.conditions:
        worker.last_seen_at_ms = now_ms  # most nodes, in most pictures
        return
    report(state, changes, worker, CLUSTER, _conditions(found, now_ms), now_ms)
    if (
        found.ready is not None
    ):  # else the cluster has not heard of its kubelet: the sweep asks whether its machine exists
        heard_of(state, changes, worker, now_ms)
    worker.use = found.use
    free_capacity(state, worker)
    quiet = found.empty and not _computes(found)
    if not quiet or not worker.spec.membership.work_is_known:
        worker.idle_since_ms = None
    elif worker.idle_since_ms is None:
        worker.idle_since_ms = now_ms


def _missing(state: EngineState, changes: Changes, worker: WorkerLife, now_ms: int) -> None:
    """A complete and fresh picture does not have its node. The ladder and the sweep decide what follows."""
    node = worker.node
    name = worker.spec.name if node is None else node.name
    text = f"its node {name} is not in cluster {worker.spec.cluster}"
    report(state, changes, worker, CLUSTER, {Condition.NOT_READY: Found(text)}, now_ms)
    worker.idle_since_ms = worker.use = None
    if node is not None:
        node.seen, node.missing = None, True
        node.emptied = node.emptied or _wants_emptying(worker)  # what ran there, the cluster has given up


def free_capacity(state: EngineState, worker: WorkerLife) -> None:
    """What placement and the planner may still use of it: what its node has, and no more than it was bought with."""
    node = worker.node
    if node is None or node.seen is None:
        return
    free = node.free_of(worker.spec.allocatable)
    for attempt in worker.live.values():
        free = free.minus(state.classes[attempt.class_id].request)
    pods = node.seen.workload_pods + node.seen.daemon_pods
    worker.free = free.not_below_zero()
    worker.free_slots = max(0, worker.spec.slots - pods - len(worker.live))


def _conditions(found: NodeSeen, now_ms: int) -> dict[Condition, Found]:
    said = {
        each.condition: Found(each.text or str(each.condition), since_ms=min(each.since_ms, now_ms))
        for each in found.conditions
    }
    if not found.ready and Condition.NOT_READY not in said:
        text = clause(found.text) or ("it is not ready" if found.ready is False else "its kubelet is silent")
        said[Condition.NOT_READY] = Found(text)
    return said


def _computes(found: NodeSeen) -> bool:
    """Whether more of its CPU is in use than of an idle one, where that is known."""
    if found.use is None:
        return False
    return found.use.cpu_milli * 100 >= IDLE_CPU_PERCENT * found.allocatable.cpu_milli


def _reboots(worker: WorkerLife) -> bool:
    repair = worker.health.repair
    return repair is not None and repair.rung in BOOTS and (repair.under_way or repair.rejoins)


def _wants_cordon(worker: WorkerLife) -> bool:
    """Whatever keeps new work from it keeps new pods from it."""
    return (
        worker.cordoned or worker.state.leaving or worker.expired_ms is not None or _reboots(worker)
    ) and not worker.state.in_flight


def _wants_emptying(worker: WorkerLife) -> bool:
    if worker.state is WorkerState.DRAINING:
        return True
    if worker.state.leaving or worker.state.in_flight:
        return False
    if worker.drain is not None:
        return worker.drain.empty_at_ms is None
    repair = worker.health.repair
    return repair is not None and _reboots(worker) and repair.step is Step.DRAINING


def twins_text(worker: WorkerName, nodes: tuple[str, ...]) -> str:
    return f"Nodes {listed(nodes)} all say that they are worker {worker}. Herder changes only the one that it knew first."
