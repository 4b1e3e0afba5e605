"""The queue of a controller, and what all controllers have in common.

A controller is told of changes by the store, notes the keys, and does its work in `step`. It has no thread: whoever runs the cluster
calls `step` when `next_ms` says so.
"""

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

from herder.testing.kubernetes.api.answers import ApiError
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.objects.store import Store

K = TypeVar("K", bound=Hashable)


class Moment:
    """The time of what runs now: set by the cluster before each request and step."""

    __slots__ = ("now_ms",)

    def __init__(self, now_ms: int = 0) -> None:
        self.now_ms = now_ms


class Queue(Generic[K]):
    def __init__(self) -> None:
        self._dirty: dict[K, None] = {}
        self._at: dict[K, int] = {}
        self._heap: list[tuple[int, int, K]] = []
        self._count = 0

    def add(self, key: K) -> None:
        self._dirty[key] = None

    def add_at(self, key: K, at_ms: int) -> None:
        """Look at it then, or earlier when that was asked for before."""
        held_ms = self._at.get(key)
        if held_ms is not None and held_ms <= at_ms:
            return
        self._at[key] = at_ms
        self._count += 1
        heapq.heappush(self._heap, (at_ms, self._count, key))

    def forget(self, key: K) -> None:
        self._dirty.pop(key, None)
        self._at.pop(key, None)

    @property
    def next_ms(self) -> int | None:
        """0: at once. None: when something changes."""
        if self._dirty:
            return 0
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now_ms: int) -> list[K]:
        while (at_ms := self.next_due) is not None and at_ms <= now_ms:
            _, _, key = heapq.heappop(self._heap)
            del self._at[key]
            self._dirty[key] = None
        found = list(self._dirty)
        self._dirty.clear()
        return found

    @property
    def next_due(self) -> int | None:
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None


class Controller(Generic[K]):
    def __init__(self, verbs: Verbs, moment: Moment) -> None:
        self.verbs, self.moment = verbs, moment
        self.queue: Queue[K] = Queue()

    @property
    def store(self) -> Store:
        return self.verbs.store

    @property
    def next_ms(self) -> int | None:
        return self.queue.next_ms

    def step(self, now_ms: int) -> None:
        for key in self.queue.take(now_ms):
            try:
                self.reconcile(key, now_ms)
            except ApiError as error:
                self.refused(key, error, now_ms)

    def reconcile(self, key: K, now_ms: int) -> None:
        raise NotImplementedError

    def refused(self, key: K, error: ApiError, now_ms: int) -> None:
        """The API refused what it tried. A conflict or a missing object is looked at with the next change."""
        if error.code not in (404, 409):
            self.queue.add_at(key, now_ms + 5_000)
