"""An informer: keeps a reader's picture of one kind of object up to date, by a list and then a watch. Called by `memberships/kubernetes`.

It lists in pages, watches from the list's version, asks for bookmarks, ends each watch after 5 to 10 minutes, lists again and compares
when the server no longer has the version (410), waits longer after each fault, and notices a watch that has fallen silent. Nothing is
dropped before a complete list or an event has said that it is gone. Time and chance come from outside.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from herder.ports.clock import Clock
from herder.ports.cluster import ClusterError, ClusterUnavailable
from herder.remote.kubernetes.calls import Call, Resource
from herder.remote.kubernetes.connection import PAGE_BYTES_MAX, Connection, Lines
from herder.remote.kubernetes.errors import ApiBusy, ApiError, refused, unreadable
from herder.remote.kubernetes.objects import UNREADABLE, ListMetadata, Metadata, status_of
from herder.wire.decode_errors import explained


class Item(Protocol):
    @property
    def metadata(self) -> Metadata: ...


#: A piece that took longer to come was waited for, and not in memory already.
_WAITED_S = 0.002
#: The time-out for silence is moved on at most so often: this is for every event.
_LIMIT_EVERY_S = 1.0
#: A version of more digits is compared as a text: it is none of Kubernetes' numbers, which have 64 bits.
_DIGITS_MAX = 20

T = TypeVar("T", bound=Item)
T_contra = TypeVar("T_contra", bound=Item, contravariant=True)


class Page(msgspec.Struct, Generic[T], gc=False):
    """One answer to a list."""

    metadata: ListMetadata
    items: list[T] | None = None


class Event(msgspec.Struct, Generic[T], gc=False):
    """One line of a watch."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: T


class _Ending(msgspec.Struct):
    """The line that says why a watch is ended."""

    type: str
    object: msgspec.Raw


_ENDINGS: msgspec.json.Decoder[_Ending] = msgspec.json.Decoder(_Ending)


class Reader(Protocol[T_contra]):
    """Who keeps the picture. `key`: namespace and name."""

    def put(self, key: str, item: T_contra) -> None: ...

    def drop(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    page: int = 500
    page_max: int = 5_000
    """Pages grow when a list takes longer than the server keeps its version."""
    page_deadline_s: float = 60.0
    watch_s: float = 300.0
    """A watch lasts this long, and by chance up to twice as long: all of a restarted server's clients should not come at once."""
    silence_s: float = 75.0
    """A server sends a bookmark every minute. After this time without one the watch is begun again, after two of them the list."""
    gather_s: float = 0.05
    pause_s: float = 1.0
    pause_max_s: float = 60.0
    objects_max: int = 500_000
    """Of one kind; the largest clusters have 150,000 pods. A server that sends more has no end."""
    too_new_max: int = 3
    """So many times it is believed that the server only lags behind; then its state was set back, and the list is read again."""


class _Silent(ClusterUnavailable):
    """The watch is open and nothing comes."""


class _SetBack(ClusterUnavailable):
    """The watch is at an older version than before: what it does not send is not known."""


class Informer(Generic[T]):
    def __init__(
        self,
        connection: Connection,
        resource: Resource,
        item: type[T],
        reader: Reader[T],
        *,
        clock: Clock,
        chance: Callable[[], float],
        changed: Callable[[], None],
        selector: str = "",
        pace: Pace = Pace(),
    ) -> None:
        self._connection = connection
        self._resource = resource
        self._reader = reader
        self._clock = clock
        self._chance = chance
        self._changed = changed
        self._query = {"fieldSelector": selector} if selector else {}
        self._pace = pace
        self._page = pace.page
        self._items: msgspec.json.Decoder[T] = msgspec.json.Decoder(item)
        self._pages: msgspec.json.Decoder[Page[T]] = msgspec.json.Decoder(Page[item])  # type: ignore[valid-type]
        self._events: msgspec.json.Decoder[Event[T]] = msgspec.json.Decoder(Event[item])  # type: ignore[valid-type]
        self._known: dict[str, tuple[str, str]] = {}
        self._version: str | None = None
        self._silences = 0
        self._too_new = 0
        self._watched = False
        self.heard_ms: int | None = None
        """When the picture was last known to be complete and up to date; None: never."""
        self.fault = ""
        """A sentence: why it is not; empty while the watch runs."""
        self.lists = 0
        """How many complete lists were read."""

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            self._watched = False
            began_s = asyncio.get_running_loop().time()
            try:
                if self._version is None:
                    await self._list()
                await self._watch(self._version or "")
                # A server that ends each watch at once is not asked again at once.
                at_once = asyncio.get_running_loop().time() - began_s < self._pace.pause_s
                pause_s = self._pace.pause_s if at_once or not self._watched else 0.0
                failures = 0
            except ClusterError as error:
                # A list alone is no success: a server that refuses each watch would be listed for ever.
                failures = 0 if self._watched else failures + 1
                pause_s = self._pause_after(error, failures)
            await asyncio.sleep(pause_s)

    def _pause_after(self, error: ClusterError, failures: int) -> float:
        """What is done next, and after how long."""
        pace = self._pace
        longest_s = min(pace.pause_max_s, pace.pause_s * 2.0 ** min(failures, 16))
        pause_s = longest_s * (0.5 + self._chance() / 2)
        if isinstance(error, ApiError) and error.expired:
            self._version = None
            return pause_s if failures > 1 else pace.pause_s * self._chance()
        if isinstance(error, _SetBack):
            self._version = None
        if isinstance(error, _Silent):
            self._silences += 1
            if self._silences > 1:
                self._version, self._silences = None, 0
            self._say(str(error))
            return 0.0
        if isinstance(error, ApiBusy):
            pause_s = max(pause_s, error.retry_after_s)
            if error.too_new:
                self._too_new += 1
                if self._too_new >= pace.too_new_max:
                    self._version, self._too_new = None, 0
        self._say(str(error))
        return pause_s

    def _say(self, fault: str) -> None:
        if fault != self.fault:
            self.fault = fault
            self._changed()

    def _heard(self) -> None:
        self.heard_ms = self._clock.now_ms()
        self._silences = self._too_new = 0
        self._say("")

    async def _list(self) -> None:
        """All of them. What is no longer there is dropped when the last page has come."""
        call = Call(verb="list", resource=self._resource)
        seen: set[str] = set()
        tokens: set[str] = set()
        following = ""
        while True:
            query = {
                **self._query,
                "limit": str(self._page),
                **({"continue": following} if following else {}),
            }
            try:
                body = await self._connection.call(
                    call, query=query, bytes_max=PAGE_BYTES_MAX, deadline_s=self._pace.page_deadline_s
                )
            except ApiError as error:
                if error.expired:
                    self._page = min(self._page * 2, self._pace.page_max)
                raise
            metadata, items = self._decoded(call, body)
            del body
            for item in items:
                key = item.metadata.key
                seen.add(key)
                self._put(key, item)
            following = metadata.continue_
            if not following:
                break
            if following in tokens or len(tokens) > self._pace.objects_max:
                raise unreadable(self._connection.cluster, call, "pages without an end")
            tokens.add(following)
        for key in self._known.keys() - seen:
            self._drop(key)
        self._version = metadata.resource_version
        self.lists += 1
        self._heard()
        self._changed()

    def _decoded(self, call: Call, body: bytes) -> tuple[ListMetadata, list[T]]:
        try:
            page = self._pages.decode(body)
        except UNREADABLE as error:
            raise unreadable(self._connection.cluster, call, explained(error)[0]) from None
        if not page.metadata.resource_version:
            raise unreadable(self._connection.cluster, call, "a list without a version")
        return page.metadata, page.items or []

    async def _watch(self, version: str) -> None:
        """Until the server ends it."""
        call = Call(verb="watch", resource=self._resource)
        lasts_s = self._pace.watch_s * (1 + self._chance())
        query = {
            **self._query,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(lasts_s)),
        }
        async with self._connection.watch(call, query) as lines:
            if not self._silences:
                self._say("")
            try:
                async with asyncio.timeout(self._pace.silence_s) as limit:
                    await self._read(call, lines, limit)
            except TimeoutError:
                raise _Silent(
                    f"Cluster {self._connection.cluster} has sent nothing about its {self._resource.plural} for "
                    f"{self._pace.silence_s:g} s. Herder asks again."
                ) from None

    async def _read(self, call: Call, lines: Lines, limit: asyncio.Timeout) -> None:
        """Until the server ends the watch. After news it waits for a moment: what comes meanwhile is read at once, which costs a fraction."""
        loop = asyncio.get_running_loop()
        asked_s = limited_s = loop.time()
        while (some := await lines.some()) is not None:
            now_s = loop.time()
            if some:
                # Parts of a line are no news: a body may come byte by byte for ever.
                if now_s - limited_s >= _LIMIT_EVERY_S:
                    limit.reschedule(now_s + self._pace.silence_s)
                    limited_s = now_s
                self._take(call, some)
            if now_s - asked_s >= _WAITED_S:
                await asyncio.sleep(self._pace.gather_s)
            asked_s = loop.time()

    def _take(self, call: Call, lines: list[bytes]) -> None:
        changes, failure = False, None
        for line in lines:
            try:
                event = self._events.decode(line)
                changes = self._take_event(call, event.type, event.object) or changes
            except UNREADABLE as error:
                failure = self._failed(call, line, error)
                break
            except ClusterError as error:
                failure = error
                break
            self._watched = True
        if self._watched:
            self._heard()
        if changes:
            self._changed()
        if failure is not None:
            raise failure

    def _failed(self, call: Call, line: bytes, error: Exception) -> ClusterError:
        """The server says why it ends the watch, or it is not Kubernetes."""
        try:
            event = _ENDINGS.decode(line)
        except UNREADABLE:
            return unreadable(self._connection.cluster, call, explained(error)[0])
        if event.type != "ERROR":
            return unreadable(self._connection.cluster, call, explained(error)[0])
        return refused(self._connection.cluster, call, status_of(event.object, 500))

    def _take_event(self, call: Call, kind: str, item: T) -> bool:
        """Whether it says something new. An event of an earlier object of the same name does not, and neither does one that comes late."""
        version = item.metadata.resource_version
        if not version:
            raise unreadable(self._connection.cluster, call, "an event without a version")
        news = _later(version, self._version or "")
        if news:
            self._version = version
        if kind == "BOOKMARK":
            if not news and version != self._version:
                raise _SetBack(
                    f"Cluster {self._connection.cluster} is at an older version of its {self._resource.plural} than before, as after "
                    "a restored backup. Herder lists them again."
                )
            return False
        key, uid = item.metadata.key, item.metadata.uid
        known = self._known.get(key)
        if kind == "DELETED":
            if known is None or known[0] != uid:
                return False
            self._drop(key)
            return True
        if not news if known is None or known[0] != uid else not _later(version, known[1]):
            return False
        self._put(key, item)
        return True

    def _put(self, key: str, item: T) -> None:
        mark = (item.metadata.uid, item.metadata.resource_version)
        known = self._known.get(key)
        if known == mark:
            return
        if known is None:
            self._check(item)
        self._known[key] = mark
        self._reader.put(key, item)

    def _check(self, item: T) -> None:
        """Of what is new."""
        call, pace = Call(verb="list", resource=self._resource), self._pace
        if not item.metadata.names_one:
            raise unreadable(
                self._connection.cluster, call, f"an object with the name {item.metadata.name[:100]!r}"
            )
        if len(self._known) >= pace.objects_max:
            raise unreadable(
                self._connection.cluster, call, f"more than {pace.objects_max:,} {self._resource.plural}"
            )

    def _drop(self, key: str) -> None:
        del self._known[key]
        self._reader.drop(key)


def _later(version: str, known: str) -> bool:
    """Versions are numbers of one counter; what is not is only compared for being the same."""
    if all(each.isdecimal() and len(each) <= _DIGITS_MAX for each in (version, known)):
        return int(version) > int(known)
    return version != known
