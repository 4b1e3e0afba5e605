"""Waiters by the number of an object: long polls, and callers that follow a job or a batch. Owned by `Core`.

Never decides that something has happened: whoever made it durable rings.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Waiters:
    """Futures to end when a thing has happened. Bounded by the number of open requests."""

    by_key: dict[int, list["asyncio.Future[None]"]] = field(default_factory=dict)

    @contextmanager
    def wait(self, key: int) -> Iterator["asyncio.Future[None]"]:
        """A future that ends with the next ring of `key`; forgotten with the block that waits for it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.by_key.setdefault(key, []).append(future)
        try:
            yield future
        finally:
            mine = self.by_key.get(key)
            if mine is not None and future in mine:
                mine.remove(future)
                if not mine:
                    del self.by_key[key]

    def notify(self, key: int) -> None:
        for future in self.by_key.pop(key, ()):
            if not future.done():
                future.set_result(None)

    def notify_all(self) -> None:
        for key in list(self.by_key):
            self.notify(key)
