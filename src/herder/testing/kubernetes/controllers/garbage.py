"""Garbage: objects whose owners are gone, foreground and orphan deletion, namespaces that end, and pods of nodes that are gone."""

from herder.testing.kubernetes.api.deletion import AT_ONCE, FOREGROUND, ORPHAN, DeleteOptions, delete
from herder.testing.kubernetes.api.evictions import disruption_target
from herder.testing.kubernetes.api.routes import Registry
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.controllers.queue import Controller, Moment
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import NAMESPACES, NODES, PODS, Resource
from herder.testing.kubernetes.objects.store import Change
from herder.testing.kubernetes.objects.stored import Key, Stored

BACKGROUND = DeleteOptions(propagation="Background")


class Garbage(Controller[tuple[str, str, Key]]):
    """Keys: `owner` and a uid, or `object` with the full name of its resource and its key."""

    def __init__(self, verbs: Verbs, moment: Moment, registry: Registry) -> None:
        super().__init__(verbs, moment)
        self._registry = registry
        self._foreground: dict[str, tuple[str, str, Key]] = {}
        """Uids of owners that wait until all they own is gone."""
        self.store.any_listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        new = change.new
        if change.deleted:
            self.queue.add(("owner", new.uid, ("", "")))
            self._foreground.pop(new.uid, None)
            for uid in new.owners:
                if uid in self._foreground:
                    self.queue.add(self._foreground[uid])
        elif new.owners and (change.old is None or change.old.owners != new.owners):
            self.queue.add(("object", new.resource.full_name, new.key))
        if new.deleting and not change.deleted:
            self.queue.add(("object", new.resource.full_name, new.key))

    def reconcile(self, key: tuple[str, str, Key], now_ms: int) -> None:
        what, name, place = key
        if what == "owner":
            for stored in self.store.owned_by(name):
                self._collect(stored, now_ms)
            return
        resource = next((each for each in self._registry.all() if each.full_name == name), None)
        stored_now = self.store.get(resource, place) if resource is not None else None
        if stored_now is None:
            return
        if stored_now.deleting:
            self._ending(stored_now, now_ms)
        else:
            self._collect(stored_now, now_ms)

    def _collect(self, stored: Stored, now_ms: int) -> None:
        obj = stored.decode()
        owners = obj["metadata"].get("ownerReferences") or []
        if not owners or any(self._exists(each, stored.key[0]) for each in owners) or stored.deleting:
            return
        delete(self.verbs, stored.resource, stored.key, now_ms, BACKGROUND)

    def _exists(self, reference: Json, namespace: str) -> bool:
        group = reference.get("apiVersion", "v1").rpartition("/")[0]
        resource = self._registry.named(group, reference.get("kind", ""))
        if resource is None:
            return False
        held = self.store.get(resource, (namespace if resource.namespaced else "", reference.get("name", "")))
        return held is not None and held.uid == reference.get("uid")

    def _ending(self, stored: Stored, now_ms: int) -> None:
        obj = stored.decode()
        finalizers = obj["metadata"].get("finalizers") or []
        owned = self.store.owned_by(stored.uid)
        if ORPHAN in finalizers:
            for each in owned:
                self._orphan(each, stored.uid, now_ms)
            self._without(stored, obj, ORPHAN, now_ms)
        elif FOREGROUND in finalizers:
            self._foreground[stored.uid] = ("object", stored.resource.full_name, stored.key)
            for each in owned:
                if not each.deleting:
                    delete(
                        self.verbs, each.resource, each.key, now_ms, DeleteOptions(propagation="Foreground")
                    )
            if not self.store.owned_by(stored.uid):
                self._without(stored, obj, FOREGROUND, now_ms)

    def _orphan(self, stored: Stored, uid: str, now_ms: int) -> None:
        obj = stored.decode()
        rest = [each for each in obj["metadata"].get("ownerReferences") or () if each["uid"] != uid]
        obj["metadata"].pop("ownerReferences")
        if rest:
            obj["metadata"]["ownerReferences"] = rest
        self.verbs.change(stored.resource, stored.key, now_ms, obj)

    def _without(self, stored: Stored, obj: Json, finalizer: str, now_ms: int) -> None:
        rest = [each for each in obj["metadata"]["finalizers"] if each != finalizer]
        obj["metadata"].pop("finalizers")
        if rest:
            obj["metadata"]["finalizers"] = rest
        self.verbs.change(stored.resource, stored.key, now_ms, obj)


class Namespaces(Controller[str]):
    """Empties namespaces that end. Keys are their names."""

    def __init__(self, verbs: Verbs, moment: Moment, registry: Registry) -> None:
        super().__init__(verbs, moment)
        self._registry = registry
        self._ending: set[str] = set()
        self.store.any_listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        namespace, name = change.new.key
        if change.new.resource is NAMESPACES:
            if change.deleted:
                self._ending.discard(name)
            elif change.new.deleting:
                self._ending.add(name)
                self.queue.add(name)
        elif self._ending and change.deleted and namespace in self._ending:
            self.queue.add(namespace)

    def reconcile(self, key: str, now_ms: int) -> None:
        held = self.store.get(NAMESPACES, ("", key))
        if held is None or not held.deleting:
            return
        left = 0
        for resource in self._of_namespaces():
            for stored in list(self.store.all(resource, key)):
                if not stored.deleting:
                    delete(self.verbs, resource, stored.key, now_ms, BACKGROUND)
                left += self.store.get(resource, stored.key) is not None
        if not left:
            new = held.decode()
            new["spec"] = {"finalizers": []}
            self.verbs.change(NAMESPACES, held.key, now_ms, new)

    def _of_namespaces(self) -> list[Resource]:
        return [each for each in self._registry.all() if each.namespaced and "delete" in each.verbs]


class PodGarbage(Controller[str]):
    """Pods of nodes that exist no more: they fail and are deleted, after a time in which the node may come back."""

    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        super().__init__(verbs, moment)
        self.store.listen(NODES, self._node_changed)

    def _node_changed(self, change: Change) -> None:
        if not change.deleted:
            return
        settings = self.verbs.settings
        every_ms = settings.pod_gc_every_ms
        found_ms = (self.moment.now_ms // every_ms + 1) * every_ms
        self.queue.add_at(change.new.key[1], found_ms + settings.pod_gc_quarantine_ms)

    def reconcile(self, key: str, now_ms: int) -> None:
        if self.store.get(NODES, ("", key)) is not None:
            return
        for pod in self.store.pods_on(PODS, key):
            obj = pod.decode()
            if obj["status"].get("phase") not in ("Succeeded", "Failed"):
                obj["status"]["phase"] = "Failed"
                disruption_target(
                    obj, now_ms, "DeletionByPodGC", "PodGC: node no longer exists", observed=True
                )
                self.store.put(PODS, obj)
            if self.store.get(PODS, pod.key) is not None:
                delete(self.verbs, PODS, pod.key, now_ms, AT_ONCE)
