"""The life cycle of nodes: taints by condition, nodes that stop to report, and the deletion of pods that do not tolerate that."""

from collections.abc import Callable

from herder.testing.kubernetes.api.deletion import delete
from herder.testing.kubernetes.api.evictions import disruption_target
from herder.testing.kubernetes.api.kinds.nodes import NOT_READY, UNREACHABLE, UNSCHEDULABLE
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import LEASES, NODES, PODS
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key
from herder.testing.kubernetes.objects.times import condition_of, rfc3339, with_condition

LEASE_NAMESPACE = "kube-node-lease"
TTL = "node.alpha.kubernetes.io/ttl"
PRESSURES = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
WATCHED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
#: Taints that follow from conditions. All others are left alone.
OURS = frozenset((NOT_READY, UNREACHABLE, UNSCHEDULABLE, *PRESSURES.values()))
TAINT_MANAGER = "Taint manager: deleting due to NoExecute taint"


def wanted_taints(node: Json) -> list[tuple[str, str]]:
    """Key and effect, as conditions and specification have it."""
    found = []
    ready = condition_of(node, "Ready")
    status = ready["status"] if ready else ""
    if status == "False":
        found += [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]
    elif status == "Unknown":
        found += [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]
    elif not status:
        found.append((NOT_READY, "NoSchedule"))
    if node["spec"].get("unschedulable"):
        found.append((UNSCHEDULABLE, "NoSchedule"))
    for kind, key in PRESSURES.items():
        if (condition_of(node, kind) or {}).get("status") == "True":
            found.append((key, "NoSchedule"))
    return found


def with_taints(node: Json, now_ms: int) -> Json:
    held = node["spec"].get("taints") or []
    wanted = wanted_taints(node)
    kept = [each for each in held if each["key"] not in OURS or (each["key"], each.get("effect")) in wanted]
    have = {(each["key"], each.get("effect")) for each in kept}
    fresh = [
        {"key": key, "effect": effect, "timeAdded": rfc3339(now_ms)}
        for key, effect in wanted
        if (key, effect) not in have
    ]
    spec = {key: value for key, value in node["spec"].items() if key != "taints"}
    if taints := kept + fresh:
        spec["taints"] = taints
    metadata = dict(node["metadata"])
    if condition_of(node, "Ready") is not None:
        metadata["annotations"] = {TTL: "0"} | (metadata.get("annotations") or {})
    return {**node, "metadata": metadata, "spec": spec}


def tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))


class Nodes(Controller[str]):
    """Keys are names of nodes."""

    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self.unmonitored: set[str] = set()
        """They were loaded without a kubelet and are never called Unknown."""
        self.reporting: Callable[[str], bool] = lambda _name: False
        """Whether the kubelet of a node is heard without a Lease."""
        self._seen: dict[str, tuple[str, int]] = {}
        """The last report, and when it was noticed by this clock."""
        self.store.listen(NODES, self._node_changed)
        self.store.listen(LEASES, self._lease_changed)

    def _node_changed(self, change: Change) -> None:
        name = change.new.key[1]
        if change.deleted:
            self._seen.pop(name, None)
            self.unmonitored.discard(name)
            self.queue.forget(name)
        else:
            self.queue.add(name)

    def _lease_changed(self, change: Change) -> None:
        namespace, name = change.new.key
        if namespace == LEASE_NAMESPACE and name in self._seen and not change.deleted:
            report, _ = self._seen[name]
            self._seen[name] = (report, self.moment.now_ms)

    def heard(self, name: str, now_ms: int) -> None:
        """Its kubelet was heard, for the last time for now."""
        if name in self._seen:
            self._seen[name] = (self._seen[name][0], now_ms)

    def reconcile(self, key: str, now_ms: int) -> None:
        held = self.store.get(NODES, ("", key))
        if held is None:
            return
        node = held.decode()
        if key not in self.unmonitored:
            self._look(key, node, now_ms)
        new = with_taints(node, now_ms)
        if new != held.decode():
            self.store.put(NODES, new)

    def _look(self, name: str, node: Json, now_ms: int) -> None:
        ready = condition_of(node, "Ready")
        report = ready.get("lastHeartbeatTime", "") + ready["status"] if ready else ""
        seen = self._seen.get(name)
        if seen is None or (seen[0] != report and (not ready or ready["status"] != "Unknown")):
            seen = self._seen[name] = (report, now_ms)
        grace_ms = self.verbs.settings.node_grace_ms
        if now_ms > seen[1] + grace_ms and self.reporting(name):
            seen = self._seen[name] = (seen[0], now_ms)
        silent = ready is not None and ready["status"] == "Unknown"
        due_ms = seen[1] + grace_ms
        if now_ms <= due_ms:
            every_ms = self.verbs.settings.node_check_ms
            self.queue.add_at(name, (due_ms // every_ms + 1) * every_ms)
        elif not silent:
            self._lost(node, now_ms)

    def _lost(self, node: Json, now_ms: int) -> None:
        """It reports no more: what is said of it is unknown, and its pods are not ready."""
        status = node.setdefault("status", {})
        for kind in WATCHED:
            old = condition_of(node, kind)
            never = old is None
            new = {
                "type": kind,
                "status": "Unknown",
                "lastHeartbeatTime": (old or {}).get(
                    "lastHeartbeatTime", node["metadata"]["creationTimestamp"]
                ),
                "lastTransitionTime": rfc3339(now_ms),
                "reason": "NodeStatusNeverUpdated" if never else "NodeStatusUnknown",
                "message": f"Kubelet {'never posted' if never else 'stopped posting'} node status.",
            }
            status["conditions"] = with_condition(status.get("conditions"), new)
        for pod in self.store.pods_on(PODS, node["metadata"]["name"]):
            if pod.fields[".ready"]:
                obj = pod.decode()
                for each in obj["status"]["conditions"]:
                    if each["type"] == "Ready":
                        each |= {
                            "status": "False",
                            "lastTransitionTime": rfc3339(now_ms),
                            "reason": "NodeNotReady",
                        }
                self.store.put(PODS, obj)


class TaintManager(Controller[Key]):
    """Deletes pods from nodes with NoExecute taints, as their tolerations allow. Keys are those of pods."""

    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self._since: dict[str, dict[tuple[str, str], int]] = {}
        """Of a node: its NoExecute taints (key and value), and since when."""
        self.store.listen(NODES, self._node_changed)
        self.store.listen(PODS, self._pod_changed)

    def _node_changed(self, change: Change) -> None:
        name = change.new.key[1]
        before = self._since.pop(name, {})
        if change.deleted:
            return
        taints = change.new.decode()["spec"].get("taints") or ()
        since = {
            (each["key"], each.get("value", "")): before.get(
                (each["key"], each.get("value", "")), self.moment.now_ms
            )
            for each in taints
            if each.get("effect") == "NoExecute"
        }
        if since:
            self._since[name] = since
        if since.keys() != before.keys():
            for pod in self.store.pods_on(PODS, name):
                self.queue.forget(pod.key)
                self.queue.add(pod.key)

    def _pod_changed(self, change: Change) -> None:
        if change.deleted:
            self.queue.forget(change.new.key)
        elif self._since and change.new.fields["spec.nodeName"] in self._since:
            self.queue.add(change.new.key)

    def reconcile(self, key: Key, now_ms: int) -> None:
        held = self.store.get(PODS, key)
        since = self._since.get(held.fields["spec.nodeName"]) if held is not None else None
        if held is None or held.deleting or not since:
            return
        obj = held.decode()
        due_ms = [
            at_ms + left * 1000
            for (taint, value), at_ms in since.items()
            if (left := _tolerated_s(obj, {"key": taint, "value": value, "effect": "NoExecute"})) is not None
        ]
        if not due_ms:
            return
        if now_ms < min(due_ms):
            self.queue.add_at(key, min(due_ms))
            return
        disruption_target(obj, now_ms, "DeletionByTaintManager", TAINT_MANAGER, observed=True)
        self.store.put(PODS, obj)
        delete(self.verbs, PODS, key, now_ms)


def _tolerated_s(pod: Json, taint: Json) -> int | None:
    """For how long; None for ever."""
    matching = [each for each in pod["spec"].get("tolerations") or () if tolerates(each, taint)]
    if not matching:
        return 0
    times = [each["tolerationSeconds"] for each in matching if each.get("tolerationSeconds") is not None]
    return max(0, min(times)) if times else None
