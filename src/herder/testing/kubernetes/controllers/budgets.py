"""The controller of disruption budgets: how many pods of a budget are healthy, and how many more may be disrupted."""

from typing import Any

from herder.testing.kubernetes.api.evictions import EXPECTED_TO_GO_MS, budget_condition
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import BUDGETS, PODS
from herder.testing.kubernetes.objects.selectors import LabelSelector, selector_of
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import parsed_ms, with_condition


def _scaled(value: Any, total: int) -> int:
    """A number, or a percentage of the total, rounded up."""
    if isinstance(value, str) and value.endswith("%"):
        return -(-int(value[:-1]) * total // 100)
    return int(value)


class Budgets(Controller[Key]):
    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self._selectors: dict[Key, LabelSelector | None] = {}
        self.store.listen(BUDGETS, self._budget_changed)
        self.store.listen(PODS, self._pod_changed)

    def _budget_changed(self, change: Change) -> None:
        key = change.new.key
        if change.deleted:
            self._selectors.pop(key, None)
            self.queue.forget(key)
            return
        self._selectors[key] = selector_of((change.new.decode().get("spec") or {}).get("selector"))
        self.queue.add(key)

    def _pod_changed(self, change: Change) -> None:
        for key, selector in self._selectors.items():
            if key[0] != change.new.key[0] or selector is None:
                continue
            if selector.allows(change.new.labels) or (change.old and selector.allows(change.old.labels)):
                self.queue.add(key)

    def reconcile(self, key: Key, now_ms: int) -> None:
        held = self.store.get(BUDGETS, key)
        if held is None:
            return
        selector = self._selectors.get(key)
        pods = (
            []
            if selector is None
            else [each for each in self.store.all(PODS, key[0]) if selector.allows(each.labels)]
        )
        old = held.decode()
        new = held.decode()
        new["status"] = self._status(new, pods, now_ms)
        if new != old:
            self.store.put(BUDGETS, new)

    def _status(self, budget: Json, pods: list[Stored], now_ms: int) -> Json:
        spec, status = budget.get("spec") or {}, budget.get("status") or {}
        disrupted = self._disrupted(budget, pods, now_ms)
        healthy = sum(
            bool(pod.fields[".ready"]) and not pod.deleting and pod.key[1] not in disrupted for pod in pods
        )
        expected = len(pods)
        if spec.get("maxUnavailable") is not None:
            desired = max(0, expected - _scaled(spec["maxUnavailable"], expected))
        else:
            desired = _scaled(spec.get("minAvailable", 1), expected)
        allowed = max(0, healthy - desired) if expected else 0
        found: Json = {"observedGeneration": budget["metadata"]["generation"]}
        if disrupted:
            found["disruptedPods"] = disrupted
        found |= {
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
        }
        new = budget_condition(budget, allowed=allowed > 0, now_ms=now_ms)
        found["conditions"] = with_condition(status.get("conditions"), new)
        return found

    def _disrupted(self, budget: Json, pods: list[Stored], now_ms: int) -> Json:
        """Pods that were evicted and not seen going yet. After two minutes that is not believed any more."""
        going = {pod.key[1] for pod in pods if not pod.deleting}
        found: Json = {}
        for name, since in ((budget.get("status") or {}).get("disruptedPods") or {}).items():
            until_ms = parsed_ms(since) + EXPECTED_TO_GO_MS
            if name in going and now_ms < until_ms:
                found[name] = since
                self.queue.add_at((budget["metadata"]["namespace"], budget["metadata"]["name"]), until_ms)
        return found
