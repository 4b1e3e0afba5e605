"""The scheduler: takes pods that are bound to no node, in the order of their priority, and binds each, or says why it cannot."""

from collections import Counter
from collections.abc import Iterable

from herder.testing.kubernetes.api.deletion import delete
from herder.testing.kubernetes.api.evictions import bound, disruption_target
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects.resources import CLAIMS, NODES, PODS, STORAGE_CLASSES
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import condition, with_condition
from herder.testing.kubernetes.scheduler.filters import Reasons, Topologies, refuses
from herder.testing.kubernetes.scheduler.pods import SCHEDULER, PodInfo, pod_info
from herder.testing.kubernetes.scheduler.preemption import Choice, choose
from herder.testing.kubernetes.scheduler.state import ClusterState, NodeState

PREEMPTING = f"{SCHEDULER}: preempting to accommodate a higher priority pod"
#: A pod that fitted nowhere waits at least so long before it is tried again, twice as long each time.
BACK_OFF_MS = (1_000, 10_000)
#: From so many nodes on, not all of them are looked at when enough have been found.
FEW_NODES = 100


def enough_nodes(count: int) -> int:
    """Of so many nodes, how many that fit are enough to choose from."""
    if count < FEW_NODES:
        return count
    percent = max(5, 50 - count // 125)
    return max(FEW_NODES, count * percent // 100)


class Scheduler(Controller[Key]):
    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self.state = ClusterState()
        self._waiting: dict[Key, PodInfo] = {}
        self._beside: dict[Key, PodInfo] = {}
        """Those of them that other pods can make fit."""
        self._tries: dict[Key, tuple[int, int]] = {}
        """How often it was tried, and when last."""
        self._hopeless: dict[bytes, tuple[int, str]] = {}
        """Shapes that fitted nowhere: when, and the sentence."""
        self._start = 0
        self.store.listen(NODES, self._node_changed)
        self.store.listen(PODS, self._pod_changed)
        self.store.listen(CLAIMS, self._claim_changed)

    # --- changes

    def _node_changed(self, change: Change) -> None:
        if self.state.node_changed(change):
            self._try_all()

    def _claim_changed(self, _change: Change) -> None:
        self.state.relief += 1
        self._try_all()

    def _pod_changed(self, change: Change) -> None:
        key, place = change.new.key, self.state.places.get(change.new.key)
        if self.state.pod_changed(change):
            self._try_all()
        elif self.state.places.get(key) != place:
            self._try_beside(pod_info(change.new))
        if _is_waiting(change):
            info = pod_info(change.new)
            held = self._waiting.get(key)
            self._waiting[key] = info
            if info.with_pods or info.spreads:
                self._beside[key] = info
            if held is None or held.uid != info.uid or held.shape != info.shape:
                self._tries.pop(key, None)
                self.queue.add(key)
        elif self._waiting.pop(key, None) is not None:
            self._beside.pop(key, None)
            self._tries.pop(key, None)
            self.queue.forget(key)

    def _try_beside(self, bound: PodInfo) -> None:
        """Pods that waited for one such as this to be bound."""
        self._try_again([key for key, waiting in self._beside.items() if waiting.may_wait_for(bound)])

    def _try_all(self) -> None:
        self._try_again(self._waiting)

    def _try_again(self, keys: Iterable[Key]) -> None:
        for key in keys:
            tries, last_ms = self._tries.get(key, (0, 0))
            if key in self.state.nominated or not tries:
                self.queue.add(key)
            else:
                wait_ms = min(BACK_OFF_MS[0] << min(tries - 1, 5), BACK_OFF_MS[1])
                self.queue.add_at(key, max(self.moment.now_ms, last_ms + wait_ms))

    # --- one round

    def step(self, now_ms: int) -> None:
        keys = [key for key in self.queue.take(now_ms) if key in self._waiting]
        keys.sort(key=lambda key: (-self._waiting[key].priority, self._waiting[key].created_ms, key))
        for key in keys:
            if key in self._waiting:
                self._schedule(self._waiting[key], now_ms)

    def _schedule(self, pod: PodInfo, now_ms: int) -> None:
        stored = self.store.get(PODS, pod.key)
        if stored is None:
            return
        known = self._hopeless.get(pod.shape)
        if known is not None and known[0] == self.state.relief and not pod.relative:
            self._refuse(pod, stored, known[1], now_ms)
            return
        if text := self._claims_refuse(pod):
            self._refuse(pod, stored, text, now_ms)
            return
        fits, refused = self._filter(pod)
        if fits:
            self._bind(pod, stored, min(fits, key=lambda node: _rank(pod, node)), now_ms)
            return
        self._preempt(pod, stored, refused, now_ms)

    def _filter(self, pod: PodInfo) -> tuple[list[NodeState], dict[str, Reasons]]:
        topologies = Topologies(pod, self.state)
        nodes = list(self.state.existing())
        enough, fits, refused = enough_nodes(len(nodes)), [], {}
        offset = self._start % len(nodes) if len(nodes) >= FEW_NODES else 0
        reserved: dict[str, list[PodInfo]] = {}
        for other in self.state.nominated.values():
            if other.priority >= pod.priority and other.key != pod.key:
                reserved.setdefault(other.nominated, []).append(other)
        looked = 0
        for node in (*nodes[offset:], *nodes[:offset]):
            looked += 1
            reasons = refuses(pod, node, topologies, reserved.get(node.name, ()))
            if reasons is not None:
                refused[node.name] = reasons
                continue
            fits.append(node)
            if len(fits) >= enough:
                break
        self._start = offset + looked
        return fits, refused

    def _bind(self, pod: PodInfo, stored: Stored, node: NodeState, now_ms: int) -> None:
        for name in pod.claims:
            self._bind_claim((pod.key[0], name))
        obj = stored.decode()
        bound(obj, node.name, now_ms)
        self.store.put(PODS, obj)

    # --- what fits nowhere

    def _preempt(self, pod: PodInfo, stored: Stored, refused: dict[str, Reasons], now_ms: int) -> None:
        nodes = len(refused)
        texts = Counter(text for reasons in refused.values() for text in reasons.texts)
        counted = sorted(f"{count} {text}" for text, count in texts.items())
        sentence = f"0/{nodes} nodes are available: {', '.join(counted)}."
        if not nodes:
            self._refuse(pod, stored, "no nodes available to schedule pods", now_ms)
            return
        open_nodes = [name for name, reasons in refused.items() if not reasons.final]
        if not pod.preempts:
            rest = "not eligible due to preemptionPolicy=Never."
        elif self._victims_go(pod):
            rest = "not eligible due to a terminating pod on the nominated node."
        else:
            choice = choose(pod, [self.state.nodes[name] for name in open_nodes], self.state, self.store)
            if choice is not None:
                self._refuse(pod, stored, sentence, now_ms, nominated=choice.node)
                self._evict(choice, now_ms)
                return
            rest = _no_victims(nodes, len(open_nodes))
        whole = f"{sentence} no new claims to deallocate, preemption: {rest}"
        if not pod.relative and not self.state.nominated:
            self._hopeless[pod.shape] = (self.state.relief, whole)
            while len(self._hopeless) > 10_000:
                self._hopeless.pop(next(iter(self._hopeless)))
        self._refuse(pod, stored, whole, now_ms)

    def _victims_go(self, pod: PodInfo) -> bool:
        node = self.state.nodes.get(pod.nominated)
        return node is not None and any(
            each.deleting and each.priority < pod.priority for each in node.pods.values()
        )

    def _evict(self, choice: Choice, now_ms: int) -> None:
        for victim in choice.victims:
            held = self.store.get(PODS, victim.key)
            if held is None or held.deleting:
                continue
            obj = held.decode()
            disruption_target(obj, now_ms, "PreemptionByScheduler", PREEMPTING, observed=True)
            self.store.put(PODS, obj)
            delete(self.verbs, PODS, victim.key, now_ms)

    def _refuse(self, pod: PodInfo, stored: Stored, text: str, now_ms: int, nominated: str = "") -> None:
        tries, _ = self._tries.get(pod.key, (0, 0))
        self._tries[pod.key] = (tries + 1, now_ms)
        self.queue.add_at(pod.key, now_ms + self.verbs.settings.unschedulable_again_ms)
        obj = stored.decode()
        new = condition("PodScheduled", "False", now_ms, reason="Unschedulable", message=text, probe=True)
        new["observedGeneration"] = obj["metadata"]["generation"]
        status = obj["status"]
        status["conditions"] = with_condition(status.get("conditions"), new)
        if nominated:
            status["nominatedNodeName"] = nominated
        if obj != stored.decode():
            self.store.put(PODS, obj)
        held = self._waiting.get(pod.key)
        if nominated and held is not None:
            self.state.nominated[pod.key] = held

    # --- volumes

    def _claims_refuse(self, pod: PodInfo) -> str:
        count = sum(1 for _ in self.state.existing())
        for name in pod.claims:
            held = self.store.get(CLAIMS, (pod.key[0], name))
            if held is None:
                return f'0/{count} nodes are available: persistentvolumeclaim "{name}" not found.'
            claim = held.decode()
            if (claim.get("status") or {}).get("phase") != "Bound" and not self._waits_for_pod(claim):
                return f"0/{count} nodes are available: pod has unbound immediate PersistentVolumeClaims."
        return ""

    def _waits_for_pod(self, claim: dict[str, object]) -> bool:
        spec = claim.get("spec")
        name = spec.get("storageClassName", "") if isinstance(spec, dict) else ""
        held = self.store.get(STORAGE_CLASSES, ("", name)) if name else None
        return held is not None and held.decode().get("volumeBindingMode") == "WaitForFirstConsumer"

    def _bind_claim(self, key: Key) -> None:
        held = self.store.get(CLAIMS, key)
        if held is not None:
            claim = held.decode()
            if claim["status"].get("phase") != "Bound":
                claim["spec"]["volumeName"] = f"pvc-{held.uid}"
                claim["status"] = {**claim["status"], "phase": "Bound"}
                self.store.put(CLAIMS, claim)


def _is_waiting(change: Change) -> bool:
    new = change.new
    if change.deleted or new.deleting or new.fields["spec.nodeName"]:
        return False
    if new.fields["spec.schedulerName"] != SCHEDULER or new.fields["status.phase"] != "Pending":
        return False
    return b'"schedulingGates":[{' not in new.body


def _no_victims(nodes: int, open_nodes: int) -> str:
    texts = []
    if open_nodes:
        texts.append(f"{open_nodes} No preemption victims found for incoming pod")
    if nodes - open_nodes:
        texts.append(f"{nodes - open_nodes} Preemption is not helpful for scheduling")
    return f"0/{nodes} nodes are available: {', '.join(texts)}."


def _rank(pod: PodInfo, node: NodeState) -> tuple[float, str]:
    """The least used node first, as CPU and memory go; the nominated one before all."""
    if node.name == pod.nominated:
        return (-1.0, node.name)
    shares = [
        (node.used.get(name, 0) + pod.requests.get(name, 0)) / has
        for name in ("cpu", "memory")
        if (has := node.allocatable.get(name, 0))
    ]
    return (sum(shares) / len(shares) if shares else 1.0, node.name)
