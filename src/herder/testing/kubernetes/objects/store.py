"""All objects of a cluster, one counter of resource versions over them, and the history that watches resume from.

Changed by the verbs of the API and by the controllers, from one thread. It knows no time and calls no clock. Listeners are told of each
change at once and must not change anything while they are told.
"""

from bisect import bisect_left, insort
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import Resource
from herder.testing.kubernetes.objects.stored import Key, Stored

#: Versions of lists that are kept for whoever reads them page by page.
SNAPSHOTS = 32
#: Changes of a resource that are kept for watches.
HISTORY = 10_000


class Change:
    """One change. `old` is None for a new object, `new` is the last state of a deleted one."""

    __slots__ = ("deleted", "lines", "new", "old")

    def __init__(self, new: Stored, old: Stored | None, *, deleted: bool = False) -> None:
        self.new, self.old, self.deleted = new, old, deleted
        self.lines: dict[tuple[str, bool], bytes] = {}
        """Encoded events, for all who watch while they are told."""

    @property
    def version(self) -> int:
        return self.new.version


Listener = Callable[[Change], None]


class Shelf:
    """The objects of one resource."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.objects: dict[Key, Stored] = {}
        self.keys: list[Key] = []
        """In the order of lists."""
        self.history: list[Change] = []
        self.compacted = 0
        """Changes up to this version are not kept."""
        self.snapshots: OrderedDict[int, list[Stored]] = OrderedDict()
        self.listeners: list[Listener] = []
        self.by_node: dict[str, dict[Key, None]] = defaultdict(dict)
        """Of pods."""


class Store:
    def __init__(self, history: int = HISTORY) -> None:
        self.version = 1
        self._history_most = history
        self._shelves: dict[str, Shelf] = {}
        self._by_owner: dict[str, dict[tuple[str, Key], None]] = {}
        self.any_listeners: list[Listener] = []

    def shelf(self, resource: Resource) -> Shelf:
        found = self._shelves.get(resource.full_name)
        if found is None:
            found = self._shelves[resource.full_name] = Shelf(resource)
        return found

    def shelves(self) -> list[Shelf]:
        return list(self._shelves.values())

    def forget(self, resource: Resource) -> None:
        """The resource exists no more, nor do its objects."""
        self._shelves.pop(resource.full_name, None)

    def listen(self, resource: Resource, listener: Listener) -> None:
        self.shelf(resource).listeners.append(listener)

    def unlisten(self, resource: Resource, listener: Listener) -> None:
        self.shelf(resource).listeners.remove(listener)

    # --- reading

    def get(self, resource: Resource, key: Key) -> Stored | None:
        return self.shelf(resource).objects.get(key)

    def all(self, resource: Resource, namespace: str = "") -> Iterator[Stored]:
        """In the order of lists, as they are now. A change while it is read is an error."""
        shelf = self.shelf(resource)
        if not namespace:
            yield from (shelf.objects[key] for key in shelf.keys)
            return
        for index in range(bisect_left(shelf.keys, (namespace, "")), len(shelf.keys)):
            key = shelf.keys[index]
            if key[0] != namespace:
                return
            yield shelf.objects[key]

    def pods_on(self, pods: Resource, node: str) -> list[Stored]:
        shelf = self.shelf(pods)
        return [shelf.objects[key] for key in shelf.by_node.get(node, ())]

    def owned_by(self, uid: str) -> list[Stored]:
        return [
            self._shelves[name].objects[key]
            for name, key in list(self._by_owner.get(uid, ()))
            if name in self._shelves and key in self._shelves[name].objects
        ]

    def snapshot(self, resource: Resource) -> list[Stored]:
        """The list as of now, kept for pages that follow."""
        shelf = self.shelf(resource)
        found = shelf.snapshots.get(self.version)
        if found is None:
            found = shelf.snapshots[self.version] = list(self.all(resource))
            while len(shelf.snapshots) > SNAPSHOTS:
                shelf.snapshots.popitem(last=False)
        return found

    def kept_snapshot(self, resource: Resource, version: int) -> list[Stored] | None:
        return self.shelf(resource).snapshots.get(version)

    def since(self, resource: Resource, version: int) -> list[Change] | None:
        """Changes after this version; None: they are not kept any more."""
        shelf = self.shelf(resource)
        if version < shelf.compacted:
            return None
        start = bisect_left(shelf.history, version + 1, key=lambda change: change.version)
        return shelf.history[start:]

    # --- changing

    def put(self, resource: Resource, obj: Json) -> Stored:
        """Create or replace."""
        self.version += 1
        new = Stored(resource, obj, self.version)
        shelf = self.shelf(resource)
        old = shelf.objects.get(new.key)
        shelf.objects[new.key] = new
        if old is None:
            insort(shelf.keys, new.key)
        else:
            self._unindex(shelf, old)
        self._index(shelf, new)
        self._tell(shelf, Change(new, old))
        return new

    def remove(self, resource: Resource, key: Key) -> Stored:
        """Raises KeyError."""
        self.version += 1
        shelf = self.shelf(resource)
        old = shelf.objects.pop(key)
        del shelf.keys[bisect_left(shelf.keys, key)]
        self._unindex(shelf, old)
        last = Stored(resource, old.decode(), self.version)
        self._tell(shelf, Change(last, old, deleted=True))
        return last

    def load(self, resource: Resource, objects: Iterable[Json]) -> int:
        """Many objects at once, faster than one by one. A later watch from a version of before is answered with 410."""
        shelf = self.shelf(resource)
        count = 0
        for obj in objects:
            self.version += 1
            new = Stored(resource, obj, self.version)
            old = shelf.objects.get(new.key)
            if old is None:
                shelf.keys.append(new.key)
            else:
                self._unindex(shelf, old)
            shelf.objects[new.key] = new
            self._index(shelf, new)
            change = Change(new, old)
            for listener in (*shelf.listeners, *self.any_listeners):
                listener(change)
            count += 1
        shelf.keys.sort()
        shelf.history.clear()
        shelf.compacted = self.version
        return count

    def compact(self, resource: Resource | None = None) -> None:
        """Keep no history and no snapshot: a watch from a version of before is answered with 410."""
        for shelf in self.shelves() if resource is None else [self.shelf(resource)]:
            shelf.history.clear()
            shelf.snapshots.clear()
            shelf.compacted = self.version

    # --- inside

    def _index(self, shelf: Shelf, stored: Stored) -> None:
        for uid in stored.owners:
            self._by_owner.setdefault(uid, {})[shelf.resource.full_name, stored.key] = None
        node = stored.fields.get("spec.nodeName")
        if node:
            shelf.by_node[node][stored.key] = None

    def _unindex(self, shelf: Shelf, stored: Stored) -> None:
        for uid in stored.owners:
            owned = self._by_owner.get(uid, {})
            owned.pop((shelf.resource.full_name, stored.key), None)
            if not owned:
                self._by_owner.pop(uid, None)
        node = stored.fields.get("spec.nodeName")
        if node:
            shelf.by_node[node].pop(stored.key, None)
            if not shelf.by_node[node]:
                del shelf.by_node[node]

    def _tell(self, shelf: Shelf, change: Change) -> None:
        shelf.history.append(change)
        if len(shelf.history) > 2 * self._history_most:
            drop = len(shelf.history) - self._history_most
            shelf.compacted = shelf.history[drop - 1].version
            del shelf.history[:drop]
        for listener in (*shelf.listeners, *self.any_listeners):
            listener(change)
        change.lines.clear()
