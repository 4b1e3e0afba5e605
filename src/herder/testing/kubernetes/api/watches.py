"""One watch: which changes it sees, as which events, its bookmarks and its end.

It is fed by the store and read by whoever carries it: the HTTP edge or a caller in the same process. It has no thread and no clock.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from herder.testing.kubernetes.api.answers import ApiError
from herder.testing.kubernetes.objects.resources import Resource
from herder.testing.kubernetes.objects.selectors import FieldSelector, LabelSelector
from herder.testing.kubernetes.objects.store import Change, Store
from herder.testing.kubernetes.objects.stored import ENCODER, Stored

#: Events that wait to be read. A watch that is read more slowly than that is ended.
WAITING_MOST = 200_000
BOOKMARK_EVERY_MS = 60_000
#: A last bookmark is sent so long before a watch ends by its time-out.
BOOKMARK_BEFORE_END_MS = 1_500
#: A watch that ends sooner gets none.
BOOKMARK_LEAST_MS = 4_000
ALL_LABELS, ALL_FIELDS = LabelSelector(), FieldSelector()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a list or a watch is about."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    labels: LabelSelector = ALL_LABELS
    fields: FieldSelector = ALL_FIELDS
    metadata_only: bool = False

    @property
    def everything(self) -> bool:
        return self.labels.empty and self.fields.empty and not self.namespace and not self.name

    def holds(self, stored: Stored) -> bool:
        namespace, name = stored.key
        if self.namespace and namespace != self.namespace:
            return False
        if self.name and name != self.name:
            return False
        return self.labels.allows(stored.labels) and self.fields.allows(stored.field)


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + body + b"}\n"


class Watch:
    def __init__(
        self, store: Store, scope: Scope, *, now_ms: int, timeout_ms: int, bookmarks: bool, start: int
    ) -> None:
        self.scope = scope
        self.status = 200
        self.version = start
        """The newest that its reader knows when it has read all."""
        self.end_ms = now_ms + timeout_ms
        self.ended = False
        self.stalled = False
        """It is fed no more and not ended: a fault that a test asked for."""
        self.cut = False
        """It ended without an end: the connection broke."""
        self.delay_ms = 0
        self.wake: Callable[[], None] = lambda: None
        self._store = store
        self._bookmarks = bookmarks
        self._bookmark_ms = now_ms + BOOKMARK_EVERY_MS
        short = timeout_ms < BOOKMARK_LEAST_MS
        self._last_bookmark_ms = 0 if short else self.end_ms - BOOKMARK_BEFORE_END_MS
        self._lines: deque[bytes] = deque()
        self._listening = False

    # --- beginning

    def listen(self) -> None:
        self._store.listen(self.scope.resource, self._changed)
        self._listening = True

    def replay(self, changes: list[Change]) -> None:
        for change in changes:
            self._changed(change)

    def initial(self, objects: list[Stored], *, marked: bool) -> None:
        """The state of now as ADDED events; `marked`: a bookmark says where it ends."""
        self._lines.extend(_line("ADDED", self._json(stored)) for stored in objects)
        if marked:
            self._lines.append(self._bookmark({"k8s.io/initial-events-end": "true"}))

    def refuse(self, error: ApiError) -> None:
        """The only event, and the end."""
        self._lines.append(_line("ERROR", ENCODER.encode(error.status())))
        self.ended = True

    # --- reading

    def take(self) -> list[bytes]:
        """What has happened since the last call."""
        found = list(self._lines)
        self._lines.clear()
        return found

    @property
    def over(self) -> bool:
        """It has ended, and all was read."""
        return self.ended and not self._lines

    def close(self) -> None:
        """Its reader is not interested any more."""
        self.ended = True
        if self._listening:
            self._store.unlisten(self.scope.resource, self._changed)
            self._listening = False

    def hang_up(self) -> None:
        self.cut = True
        self.close()
        self.wake()

    # --- time

    @property
    def next_ms(self) -> int:
        if not self._bookmarks:
            return self.end_ms
        due_ms = [self._bookmark_ms, self.end_ms]
        if self._last_bookmark_ms:
            due_ms.append(self._last_bookmark_ms)
        return min(due_ms)

    def step(self, now_ms: int) -> None:
        """Send the bookmark that is due, or end."""
        if self.ended or self.stalled:
            return
        if now_ms >= self.end_ms:
            self.close()
            self.wake()
        elif self._bookmarks and now_ms >= self.next_ms:
            if self._last_bookmark_ms and now_ms >= self._last_bookmark_ms:
                self._last_bookmark_ms = 0
            self._bookmark_ms = now_ms + BOOKMARK_EVERY_MS
            self._lines.append(self._bookmark({}))
            self.wake()

    # --- inside

    def _json(self, stored: Stored) -> bytes:
        return stored.metadata_only() if self.scope.metadata_only else stored.json()

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        resource = self.scope.resource
        obj: dict[str, object] = {"kind": resource.kind, "apiVersion": resource.api_version}
        if self.scope.metadata_only:
            obj = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        version = str(max(self.version, self._store.shelf(resource).compacted))
        obj["metadata"] = {"resourceVersion": version} | ({"annotations": annotations} if annotations else {})
        if resource.plural == "pods" and not self.scope.metadata_only:
            obj |= {"spec": {"containers": None}, "status": {}}
        return _line("BOOKMARK", ENCODER.encode(obj))

    def _changed(self, change: Change) -> None:
        if self.ended or self.stalled or change.version <= self.version:
            return
        self.version = change.version
        kind = self._kind_of(change)
        if kind is None:
            return
        if len(self._lines) >= WAITING_MOST:
            self.hang_up()
            return
        self._lines.append(self._encoded(kind, change))
        self.wake()

    def _kind_of(self, change: Change) -> str | None:
        """As whoever selects sees it: an object that leaves the selection is deleted for him."""
        was = change.old is not None and self.scope.holds(change.old)
        if change.deleted:
            return "DELETED" if was else None
        held = self.scope.holds(change.new)
        if held:
            return "MODIFIED" if was else "ADDED"
        return "DELETED" if was else None

    def _encoded(self, kind: str, change: Change) -> bytes:
        key = (kind, self.scope.metadata_only)
        found = change.lines.get(key)
        if found is None:
            if kind == "DELETED" and not change.deleted and change.old is not None:
                old = change.old.decode()
                last = Stored(change.new.resource, old, change.version)
                found = _line(kind, self._json(last))
            else:
                found = _line(kind, self._json(change.new))
            change.lines[key] = found
        return found
