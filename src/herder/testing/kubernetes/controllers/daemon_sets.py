"""The controller of DaemonSets: one pod for each node that its template allows, and none for others."""

from herder.testing.kubernetes.api.deletion import delete
from herder.testing.kubernetes.api.verbs import Verbs, Writing
from herder.testing.kubernetes.controllers.nodes import tolerates
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import DAEMON_SETS, NODES, PODS
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key, Stored

_SCHEDULE = tuple(
    (f"node.kubernetes.io/{name}", "NoSchedule")
    for name in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)
_EXECUTE = (("node.kubernetes.io/not-ready", "NoExecute"), ("node.kubernetes.io/unreachable", "NoExecute"))
#: Every pod of a DaemonSet tolerates these.
TOLERATIONS = [
    {"key": key, "operator": "Exists", "effect": effect} for key, effect in (*_EXECUTE, *_SCHEDULE)
]


class DaemonSets(Controller[Key]):
    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self.store.listen(DAEMON_SETS, self._set_changed)
        self.store.listen(NODES, self._node_changed)
        self.store.listen(PODS, self._pod_changed)

    def _set_changed(self, change: Change) -> None:
        if not change.deleted:
            self.queue.add(change.new.key)

    def _node_changed(self, _change: Change) -> None:
        for key in self.store.shelf(DAEMON_SETS).objects:
            self.queue.add(key)

    def _pod_changed(self, change: Change) -> None:
        shelf = self.store.shelf(DAEMON_SETS)
        if not shelf.objects or not change.new.owners:
            return
        for key, held in shelf.objects.items():
            if held.uid in change.new.owners:
                self.queue.add(key)

    def reconcile(self, key: Key, now_ms: int) -> None:
        held = self.store.get(DAEMON_SETS, key)
        if held is None or held.deleting:
            return
        obj = held.decode()
        pods = {
            _target(each.decode()): each
            for each in self.store.owned_by(held.uid)
            if each.resource is PODS and not each.deleting
        }
        wanted = [node.key[1] for node in self.store.all(NODES) if _allowed(obj, node)]
        for name in wanted:
            if name not in pods:
                self.verbs.create(PODS, key[0], _pod(obj, name), Writing(now_ms=now_ms))
        for name, pod in pods.items():
            if name not in wanted or pod.fields["status.phase"] in ("Succeeded", "Failed"):
                delete(self.verbs, PODS, pod.key, now_ms)
        ready = sum(bool(pod.fields[".ready"]) for pod in pods.values())
        status = {
            "currentNumberScheduled": len(set(pods) & set(wanted)),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": len(wanted),
            "numberReady": ready,
            "observedGeneration": obj["metadata"]["generation"],
        }
        if status != obj["status"]:
            self.store.put(DAEMON_SETS, {**obj, "status": status})


def _allowed(obj: Json, node: Stored) -> bool:
    spec = obj["spec"]["template"]["spec"]
    if any(node.labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    tolerations = [*(spec.get("tolerations") or ()), *TOLERATIONS]
    taints = node.decode()["spec"].get("taints") or ()
    always = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    return all(
        any(tolerates(each, taint) for each in tolerations) or taint["key"] in always
        for taint in taints
        if taint.get("effect") != "PreferNoSchedule"
    )


def _target(pod: Json) -> str:
    affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0])


def _pod(obj: Json, node: str) -> Json:
    template, name = obj["spec"]["template"], obj["metadata"]["name"]
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    spec = dict(template["spec"])
    spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    spec["tolerations"] = [
        *(spec.get("tolerations") or []),
        *TOLERATIONS,
        {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"},
    ]
    owner = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "name": name,
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = dict(template["metadata"].get("labels") or {})
    return {
        "metadata": {"generateName": f"{name}-", "labels": labels, "ownerReferences": [owner]},
        "spec": spec,
    }
