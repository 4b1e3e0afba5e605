"""The played kubelets of all nodes: heart-beats, and the pods of each machine from bound to ended.

A test may create machines, stop them without a word, and let them come back. A pod whose machine is dead stays as it was.
"""

from herder.testing.kubernetes.api.answers import ApiError
from herder.testing.kubernetes.api.deletion import AT_ONCE, delete
from herder.testing.kubernetes.api.evictions import disruption_target
from herder.testing.kubernetes.api.kinds.pod_spec import requests_milli
from herder.testing.kubernetes.api.verbs import Verbs, Writing
from herder.testing.kubernetes.controllers.nodes import LEASE_NAMESPACE, Nodes
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.kubelets.machines import REPORT_EVERY_MS, Machine
from herder.testing.kubernetes.kubelets.outcomes import use_of
from herder.testing.kubernetes.kubelets.pods import PodRunner
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import LEASES, NODES, PODS
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import micro_time

ENDED = ("Succeeded", "Failed")
LEASE_S = 40


class Kubelets(Controller[tuple[str, Key]]):
    """Keys: `node` and its name, or `pod` and its key."""

    def __init__(self, verbs: Verbs, moment: Moment, nodes: Nodes) -> None:
        super().__init__(verbs, moment)
        self.machines: dict[str, Machine] = {}
        self.runner = PodRunner(verbs, self.queue)
        self._nodes = nodes
        if not verbs.settings.leases:
            nodes.reporting = self._reports
        self.store.listen(NODES, self._node_changed)
        self.store.listen(PODS, self._pod_changed)

    # --- what tests do

    def boot(
        self, name: str, now_ms: int, *, labels: dict[str, str] | None = None, taints: list[Json] | None = None,
        capacity: dict[str, str] | None = None, gpus: int = 0, gpus_after_ms: int | None = 0,
        ready_after_ms: int | None = None, addresses: tuple[str, ...] = (), provider_id: str = "",
    ) -> None:  # fmt: skip
        """A machine starts and registers its node, as a kubelet does. Its name may be that of a node that exists already."""
        settings = self.verbs.settings
        self.machines[name] = Machine(
            name=name,
            capacity=dict(capacity or settings.default_capacity),
            ready_at_ms=now_ms + (settings.ready_after_ms if ready_after_ms is None else ready_after_ms),
            gpus=gpus,
            gpus_at_ms=None if gpus_after_ms is None else now_ms + gpus_after_ms,
            addresses=addresses,
        )
        node: Json = {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
        }
        spec: Json = {"taints": taints} if taints else {}
        if provider_id:
            spec["providerID"] = provider_id
        if spec:
            node["spec"] = spec
        if self.store.get(NODES, ("", name)) is None:
            self.verbs.create(NODES, "", node, Writing(now_ms=now_ms))
        self.queue.add(("node", ("", name)))

    def kill(self, name: str) -> None:
        """The machine is dead: nothing is reported any more, and its containers are gone."""
        self._last_word(name)
        self.machines[name].alive = False
        self.runner.drop_machine(name)

    def cut_off(self, name: str) -> None:
        """Its network is away: its containers go on, and nobody hears of it."""
        self._last_word(name)
        self.machines[name].connected = False

    def _last_word(self, name: str) -> None:
        if not self.verbs.settings.leases and self.machines[name].reports:
            self._nodes.heard(name, self.moment.now_ms)

    def connect(self, name: str) -> None:
        """Its network is back."""
        machine = self.machines[name]
        machine.connected = machine.changed = True
        self._look_at_all(name)

    def revive(self, name: str, now_ms: int) -> None:
        """The machine starts again, without the containers of before."""
        machine = self.machines[name]
        for pod in self.store.pods_on(PODS, name):
            self.runner.lost(pod, name)
        machine.alive, machine.changed = True, True
        machine.ready_at_ms = now_ms + self.verbs.settings.ready_after_ms
        self._look_at_all(name)

    def _look_at_all(self, name: str) -> None:
        self.queue.add(("node", ("", name)))
        for pod in self.store.pods_on(PODS, name):
            self.queue.add(("pod", pod.key))

    def remove(self, name: str) -> None:
        """The machine exists no more. Its node object stays."""
        self.kill(name)
        del self.machines[name]

    def set_ready(self, name: str, *, ready: bool) -> None:
        self.machines[name].ready = ready
        self._report(name)

    def set_pressure(self, name: str, kind: str, *, pressed: bool) -> None:
        """MemoryPressure, DiskPressure or PIDPressure."""
        machine = self.machines[name]
        (machine.pressures.add if pressed else machine.pressures.discard)(kind)
        self._report(name)

    def evict_pod(self, key: Key, now_ms: int, resource: str = "memory") -> None:
        """The machine lacks a resource: its kubelet ends this pod."""
        pod = self.verbs.must_get(PODS, key).decode()
        self.runner.drop(key)
        message = f"The node was low on resource: {resource}."
        pod["status"] |= {"phase": "Failed", "reason": "Evicted", "message": message}
        disruption_target(pod, now_ms, "TerminationByKubelet", message)
        for each in pod["status"]["conditions"]:
            if each["type"] in ("Ready", "ContainersReady"):
                each["status"] = "False"
        self.store.put(PODS, pod)

    def look_at(self, key: Key) -> None:
        """What runs in this pod has something to say."""
        self.queue.add(("pod", key))

    def close(self) -> None:
        """No process outlives the cluster."""
        self.runner.close()

    # --- changes

    def _node_changed(self, change: Change) -> None:
        name = change.new.key[1]
        if change.deleted or change.old is not None:
            return
        settings = self.verbs.settings
        if name in self.machines:
            self._report(name)
        elif self._plays(name):
            status = change.new.decode().get("status") or {}
            self.machines[name] = Machine(
                name=name,
                capacity=dict(status.get("capacity") or settings.default_capacity),
                ready_at_ms=self.moment.now_ms + settings.ready_after_ms,
            )
            self.queue.add_at(("node", ("", name)), self.machines[name].ready_at_ms)

    def _plays(self, name: str) -> bool:
        settings = self.verbs.settings
        if not settings.played_nodes or name in self._nodes.unmonitored:
            return False
        return not name.startswith(settings.silent_prefix)

    def _pod_changed(self, change: Change) -> None:
        pod = change.new
        if change.deleted:
            self.runner.drop(pod.key)
            self.queue.forget(("pod", pod.key))
        elif pod.fields["spec.nodeName"] in self.machines:
            self.queue.add(("pod", pod.key))

    def _reports(self, name: str) -> bool:
        machine = self.machines.get(name)
        return machine is not None and machine.reports and not machine.changed

    def _report(self, name: str) -> None:
        self.machines[name].changed = True
        self.queue.add(("node", ("", name)))

    # --- work

    def reconcile(self, key: tuple[str, Key], now_ms: int) -> None:
        what, place = key
        if what == "node":
            self._heart_beat(place[1], now_ms)
            return
        stored = self.store.get(PODS, place)
        machine = self.machines.get(stored.fields["spec.nodeName"]) if stored is not None else None
        if stored is None or machine is None or not machine.reports:
            return
        if stored.deleting:
            self._end_pod(stored, now_ms)
        elif stored.fields["status.phase"] not in ENDED:
            self.runner.go_on(stored, machine.name, now_ms)

    def _end_pod(self, stored: Stored, now_ms: int) -> None:
        if not self.runner.stopped(stored, now_ms):
            return
        if (
            self.store.get(PODS, stored.key) is not None
            and b'"deletionGracePeriodSeconds":0' not in stored.body
        ):
            delete(self.verbs, PODS, stored.key, now_ms, AT_ONCE)

    def _heart_beat(self, name: str, now_ms: int) -> None:
        machine = self.machines.get(name)
        held = self.store.get(NODES, ("", name))
        if machine is None or held is None or not machine.reports:
            return
        key = ("node", ("", name))
        if now_ms < machine.ready_at_ms:
            self.queue.add_at(key, machine.ready_at_ms)
            return
        gpus_at_ms = machine.gpus_at_ms
        due = gpus_at_ms is not None and machine.reported_ms < gpus_at_ms <= now_ms
        if machine.changed or due or now_ms >= machine.reported_ms + REPORT_EVERY_MS:
            node = held.decode()
            machine.reported_ms, machine.changed = now_ms, False
            self.store.put(NODES, {**node, "status": machine.report(node, now_ms)})
        if gpus_at_ms is not None and gpus_at_ms > now_ms:
            self.queue.add_at(key, gpus_at_ms)
        if not self.verbs.settings.leases:
            self.queue.add_at(key, machine.reported_ms + REPORT_EVERY_MS)
            return
        self._renew(name, held, now_ms)
        self.queue.add_at(key, now_ms + self.verbs.settings.heartbeat_ms)

    def _renew(self, name: str, node: Stored, now_ms: int) -> None:
        held = self.store.get(LEASES, (LEASE_NAMESPACE, name))
        if held is None:
            spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_S, "renewTime": micro_time(now_ms)}
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.uid}
            obj: Json = {"metadata": {"name": name, "ownerReferences": [owner]}, "spec": spec}
            try:
                self.verbs.create(LEASES, LEASE_NAMESPACE, obj, Writing(now_ms=now_ms))
            except ApiError:
                return  # the namespace was deleted by a test
        else:
            lease = held.decode()
            lease["spec"]["renewTime"] = micro_time(now_ms)
            self.store.put(LEASES, lease)

    # --- measured

    def use_of(self, stored: Stored) -> tuple[int, int] | None:
        """For the metrics API. Nothing is measured of a node whose machine is dead or a pod that does not run."""
        if stored.resource is PODS:
            if stored.fields["status.phase"] != "Running":
                return None
            pod = stored.decode()
            return use_of(pod, requests_milli(pod["spec"]))
        machine = self.machines.get(stored.key[1])
        if machine is not None and (not machine.reports or machine.use is not None):
            return machine.use if machine.reports else None
        uses = [
            use for pod in self.store.pods_on(PODS, stored.key[1]) if (use := self.use_of(pod)) is not None
        ]
        return sum(cpu for cpu, _ in uses), sum(memory for _, memory in uses)
