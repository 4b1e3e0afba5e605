"""The controller of quotas: what a namespace may have and has, in the status of its quotas."""

from herder.testing.kubernetes.api.kinds.quotas import used_in
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects.quantities import written
from herder.testing.kubernetes.objects.resources import PODS, RESOURCE_QUOTAS
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key


class Quotas(Controller[Key]):
    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self._namespaces: dict[str, set[Key]] = {}
        self.store.listen(RESOURCE_QUOTAS, self._quota_changed)
        self.store.listen(PODS, self._pod_changed)

    def _quota_changed(self, change: Change) -> None:
        key = change.new.key
        held = self._namespaces.setdefault(key[0], set())
        if change.deleted:
            held.discard(key)
            self.queue.forget(key)
        else:
            held.add(key)
            self.queue.add(key)

    def _pod_changed(self, change: Change) -> None:
        for key in self._namespaces.get(change.new.key[0], ()):
            self.queue.add(key)

    def reconcile(self, key: Key, now_ms: int) -> None:
        held = self.store.get(RESOURCE_QUOTAS, key)
        if held is None:
            return
        quota = held.decode()
        hard = (quota.get("spec") or {}).get("hard") or {}
        used = used_in(self.store, key[0])
        status = {"hard": hard, "used": {name: written(used.get(name, 0)) for name in hard}}
        if quota.get("status") != status:
            self.store.put(RESOURCE_QUOTAS, {**quota, "status": status})
