"""Sends recorded events to subscribers. Slow subscribers are disconnected and resume from the table."""

import asyncio

from herder.model.stored.records import EventRecord

#: Events a watcher may be behind before it is dropped.
BACKLOG = 1_000


class EventBus:
    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[EventRecord | None]] = set()

    def watch(self) -> "asyncio.Queue[EventRecord | None]":
        """A queue of what is published from now on; None means: you were too slow, or it is over."""
        queue: asyncio.Queue[EventRecord | None] = asyncio.Queue(BACKLOG + 1)
        self._watchers.add(queue)
        return queue

    def unwatch(self, queue: "asyncio.Queue[EventRecord | None]") -> None:
        self._watchers.discard(queue)

    def publish(self, record: EventRecord) -> None:
        for queue in list(self._watchers):
            if queue.qsize() >= BACKLOG:
                self._watchers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(record)

    def close(self) -> None:
        for queue in self._watchers:
            if not queue.full():
                queue.put_nowait(None)
        self._watchers.clear()
