"""The store as a port: what the kernel and the reads ask of the place where everything durable is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from herder.model.changes import Changes

_T = TypeVar("_T")


class Store(Protocol):
    """One writer, any number of readers. Called from the event loop only; nothing here waits on it."""

    @property
    def commits(self) -> int:
        """Transactions written so far."""

    @property
    def rows(self) -> int:
        """Rows written so far."""

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        """Hand over changes; the future ends when they are durable. Order of calls is order of effect."""

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        """Run `work` in a transaction of its own, after what was handed over before it. Its errors go to the caller."""

    def read(self, query: Callable[[Connection], _T]) -> Awaitable[_T]:
        """Run `query` on a connection of its own, beside the writer. Its errors go to the caller."""

    async def close(self) -> None:
        """Write what was handed over, then let go."""
