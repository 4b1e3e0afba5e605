"""What the scheduler knows of the cluster: nodes with what they have and what is used of it, kept up to date by changes."""

from collections.abc import Iterator, Mapping

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import milli
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key
from herder.testing.kubernetes.scheduler.pods import ENDED, PodInfo, pod_info

PODS_DEFAULT = 110


class NodeState:
    __slots__ = ("allocatable", "exists", "labels", "name", "pods", "taints", "unschedulable", "used")

    def __init__(self, name: str) -> None:
        self.name = name
        self.exists = False
        """False: pods are bound to it, and there is no such node."""
        self.labels: Mapping[str, str] = {}
        self.taints: list[Json] = []
        self.unschedulable = False
        self.allocatable: dict[str, int] = {}
        self.used: dict[str, int] = {}
        self.pods: dict[Key, PodInfo] = {}

    def read(self, node: Json) -> None:
        self.exists = True
        self.labels = node["metadata"].get("labels") or {}
        spec, status = node.get("spec") or {}, node.get("status") or {}
        self.taints = [
            each for each in spec.get("taints") or () if each.get("effect") in ("NoSchedule", "NoExecute")
        ]
        self.unschedulable = bool(spec.get("unschedulable"))
        given = status.get("allocatable") or status.get("capacity") or {}
        self.allocatable = {name: milli(value) for name, value in given.items()}

    def add(self, pod: PodInfo) -> None:
        self.pods[pod.key] = pod
        for name, value in pod.requests.items():
            self.used[name] = self.used.get(name, 0) + value

    def remove(self, key: Key) -> None:
        pod = self.pods.pop(key, None)
        if pod is not None:
            for name, value in pod.requests.items():
                self.used[name] -= value

    @property
    def pods_most(self) -> int:
        most = self.allocatable.get("pods")
        return PODS_DEFAULT if most is None else most // 1000


class ClusterState:
    def __init__(self) -> None:
        self.nodes: dict[str, NodeState] = {}
        self.relief = 0
        """Raised whenever a pod that fitted nowhere may fit now."""
        self.apart: dict[Key, PodInfo] = {}
        """Bound pods that want to be apart from others."""
        self.places: dict[Key, str] = {}
        """Bound pods and their nodes."""
        self.nominated: dict[Key, PodInfo] = {}

    def existing(self) -> Iterator[NodeState]:
        return (node for node in self.nodes.values() if node.exists)

    def _node(self, name: str) -> NodeState:
        found = self.nodes.get(name)
        if found is None:
            found = self.nodes[name] = NodeState(name)
        return found

    def node_changed(self, change: Change) -> bool:
        """Whether it matters to the scheduler."""
        name = change.new.key[1]
        if change.deleted:
            node = self._node(name)
            node.exists = False
            self._tidy(node)
            return False
        node = self._node(name)
        before = (node.exists, node.labels, node.taints, node.unschedulable, node.allocatable)
        node.read(change.new.decode())
        if before == (node.exists, node.labels, node.taints, node.unschedulable, node.allocatable):
            return False
        self.relief += 1
        return True

    def pod_changed(self, change: Change) -> bool:
        """Whether room became free."""
        key, new = change.new.key, change.new
        if change.deleted or new.fields["status.phase"] in ENDED:
            return self._unbind(key)
        name = new.fields["spec.nodeName"]
        if not name:
            return False
        self.nominated.pop(key, None)
        if self.places.get(key) == name:
            held = self.nodes[name].pods[key]
            if held.uid == new.uid and held.labels == new.labels and held.deleting == new.deleting:
                return False
            self._unbind(key)
        self.bind(pod_info(new), name)
        return False

    def bind(self, pod: PodInfo, name: str) -> None:
        self.places[pod.key] = name
        self._node(name).add(pod)
        self.nominated.pop(pod.key, None)
        if pod.apart_from:
            self.apart[pod.key] = pod

    def node_of(self, key: Key) -> NodeState:
        return self.nodes[self.places[key]]

    def _unbind(self, key: Key) -> bool:
        self.nominated.pop(key, None)
        self.apart.pop(key, None)
        name = self.places.pop(key, None)
        if name is None:
            return False
        node = self.nodes[name]
        node.remove(key)
        self._tidy(node)
        self.relief += 1
        return True

    def _tidy(self, node: NodeState) -> None:
        if not node.exists and not node.pods:
            self.nodes.pop(node.name, None)
