"""The store as a port: what the kernel and the reads need from durable storage.

A store that cannot write for the moment (its disk is full, its database away) keeps what was handed over, tries again in order, and
says so in `trouble`; nothing is told before it is durable. One that can never write again fails every future with `StoreDown`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from herder.model.stored.changes import Changes

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why new work is not taken in for the moment. `text` and `hint` are for people."""

    code: str
    text: str
    hint: str
    stuck: bool = True
    """Commits wait. False: they still hold, and what is left is kept for the work that was accepted."""

    @property
    def remedy(self) -> str:
        """What to do, without what follows by itself as long as the server runs."""
        return self.hint.partition(".")[0]


class StoreDown(Exception):
    """The store did not answer a read, or can be written no more. The text is for people."""


class Store(Protocol):
    """One writer, any number of readers. Called from the event loop only; nothing here waits on it."""

    @property
    def commits(self) -> int:
        """Transactions written so far."""

    @property
    def rows(self) -> int:
        """Rows written so far."""

    @property
    def trouble(self) -> Trouble | None:
        """None when all is well."""

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        """Hand over changes; the future ends when they are durable. Order of calls is order of effect."""

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        """Run `work` in a transaction of its own, after what was handed over before it. Its errors go to the caller. It may run
        again when its transaction did not hold."""

    def read(self, query: Callable[[Connection], _T]) -> Awaitable[_T]:
        """Run `query` on a connection of its own, beside the writer. Its errors go to the caller; StoreDown when there is no answer."""

    async def close(self) -> None:
        """Write what was handed over, then let go."""
