"""What one Node object says, without its pods: readiness, conditions, taints, capacity, and which worker it is. Pure; called by `picture`.

A node whose kubelet is silent is neither ready nor known not to be: Kubernetes says Unknown, and so does Herder.
"""

from herder.memberships.kubernetes import objects
from herder.memberships.kubernetes.demand.requests import NamesOfResources
from herder.memberships.kubernetes.quantities import QuantityError
from herder.model.fleet.cluster import INSTALLATION_LABEL, WORKER_LABEL
from herder.model.fleet.node import NodeCondition, NodeSeen
from herder.model.fleet.pool import Taint, TaintEffect
from herder.model.fleet.repair import Condition
from herder.model.ids import WorkerName
from herder.model.values.phrases import sentence
from herder.model.values.resources import ZERO
from herder.remote.kubernetes.objects import moment_ms

ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
#: Taints that the cluster itself sets have keys of these.
_OF_THE_CLUSTER = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_CONDITIONS = {
    "MemoryPressure": Condition.MEMORY_PRESSURE,
    "DiskPressure": Condition.DISK_PRESSURE,
    "PIDPressure": Condition.PID_PRESSURE,
    "NetworkUnavailable": Condition.NETWORK_UNAVAILABLE,
}
#: In the order in which they are tried; names are none.
_ADDRESSES = ("InternalIP", "ExternalIP")
_TEXT_LENGTH = 500
_NOT_REPORTED = "Its kubelet has not reported yet."


def node_seen(node: objects.Node, installation: str, resources: NamesOfResources) -> NodeSeen:
    """As of a node without pods."""
    metadata, labels = node.metadata, node.metadata.labels or {}
    ready, text = _ready(node)
    try:
        allocatable = resources.capacity(node.status.allocatable or {})
    except QuantityError:
        allocatable, text = (
            resources.capacity({}),
            f"The allocatable resources of node {metadata.name} cannot be read, so nothing fits on it. Correct its kubelet or its device plugin.",
        )
    taints = _taints(node)
    return NodeSeen(
        name=metadata.name,
        uid=metadata.uid,
        worker=_worker(labels, installation),
        ready=ready,
        text=text,
        cordoned=node.spec.unschedulable,
        draining_by_taint=any(
            taint.effect is TaintEffect.NO_EXECUTE and taint.key.startswith(_OF_THE_CLUSTER)
            for taint in taints
        ),
        created_at_ms=moment_ms(metadata.creation_timestamp or "") or 0,
        kubelet_version=node.status.node_info.kubelet_version,
        zone=next((labels[label] for label in ZONE_LABELS if labels.get(label)), ""),
        addresses=_addresses(node),
        labels=tuple(sorted(labels.items())),
        taints=taints,
        allocatable=allocatable,
        requested=ZERO,
        conditions=_conditions(node),
    )


def _worker(labels: dict[str, str], installation: str) -> WorkerName | None:
    """Of this installation, or of one that the node does not name."""
    name = labels.get(WORKER_LABEL)
    return WorkerName(name) if name and labels.get(INSTALLATION_LABEL, installation) == installation else None


def _addresses(node: objects.Node) -> tuple[str, ...]:
    found = [each for kind in _ADDRESSES for each in node.status.addresses or () if each.type == kind]
    return tuple(dict.fromkeys(each.address for each in found))


def _ready(node: objects.Node) -> tuple[bool | None, str]:
    condition = _condition(node, "Ready")
    if condition is None:
        return False, _NOT_REPORTED
    if condition.status == "True":
        return True, ""
    text = sentence(condition.message[:_TEXT_LENGTH] or condition.reason or "It is not ready")
    return (False if condition.status == "False" else None), text


def _condition(node: objects.Node, kind: str) -> objects.Condition | None:
    return next((each for each in node.status.conditions or () if each.type == kind), None)


def _conditions(node: objects.Node) -> tuple[NodeCondition, ...]:
    found = []
    for each in node.status.conditions or ():
        condition = _CONDITIONS.get(each.type)
        if each.type == "Ready" and each.status != "True":
            condition = Condition.NOT_READY
        elif condition is None or each.status != "True":
            continue
        since_ms = moment_ms(each.last_transition_time or "") or 0
        text = sentence(each.message[:_TEXT_LENGTH] or each.reason)
        found.append(NodeCondition(condition=condition, since_ms=since_ms, text=text))
    return tuple(found)


def _taints(node: objects.Node) -> tuple[Taint, ...]:
    """An effect that is not known is one that keeps pods away."""
    known = {effect.value: effect for effect in TaintEffect}
    return tuple(
        Taint(key=each.key, value=each.value, effect=known.get(each.effect, TaintEffect.NO_SCHEDULE))
        for each in node.spec.taints or ()
    )
