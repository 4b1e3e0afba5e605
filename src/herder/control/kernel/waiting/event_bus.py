"""Sends recorded events to subscribers, and logs them. Slow subscribers are disconnected and resume from the table."""

import asyncio
import logging

from herder.model.stored.records import EventRecord

log = logging.getLogger("herder.events")

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
        if log.isEnabledFor(logging.INFO):
            _log(record)
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


def _log(record: EventRecord) -> None:
    """With the id of what it is about."""
    kind, _, name = record.object.partition("/")
    more: dict[str, object] = {"event": record.kind, "actor": record.actor}
    if kind in ("job", "batch") and name.isdecimal():
        more[kind] = int(name)
    elif kind in ("worker", "pool", "driver"):
        more[kind] = name
    else:
        more["object"] = record.object
    log.info("%s", record.text, extra=more)
