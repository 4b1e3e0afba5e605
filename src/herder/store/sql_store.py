"""The store port on SQL: the writer's thread, and reads in threads with connections of their own. Created by the server at start."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from herder.ports.store import StoreDown, Trouble
from herder.store.opening.database import greet
from herder.store.opening.database_errors import AWAY, passing
from herder.store.opening.file import StoreFile
from herder.store.opening.leadership import Leader
from herder.store.writing.writer import Writer

_T = TypeVar("_T")

NOT_LEADING = Trouble(
    code="not_leading",
    text="This server cannot renew its lease of the store, so another server may lead.",
    hint="Call another server of the installation, or try again in some seconds. Nothing that was accepted is lost.",
)

#: A read that takes longer is not given up, but the database is asked whether it is alive, each time that this has passed again.
READ_LOOK_S = 10.0
#: It has so long to greet a new connection.
GREETING_S = 10.0


class SqlStore(Writer):
    """`ports.store.Store`. Needs a running loop."""

    def __init__(
        self,
        engine: Engine,
        on_fatal: Callable[[BaseException], None],
        leader: Leader | None = None,
        file: StoreFile | None = None,
        holds: Callable[[], bool] | None = None,
    ) -> None:
        """`holds`: whether the lease is this server's, where there is one."""
        super().__init__(engine, on_fatal, leader, file)
        self.engine = engine
        self._holds = holds

    @property
    def trouble(self) -> Trouble | None:
        return NOT_LEADING if self._holds is not None and not self._holds() else super().trouble

    async def close(self) -> None:
        """A file of SQLite is left as it is: closing its last connection would copy the whole log of changes into it."""
        await super().close()
        if self.engine.dialect.name == "postgresql":
            await asyncio.to_thread(self.engine.dispose)

    def read(self, query: Callable[[Connection], _T]) -> Awaitable[_T]:
        reading = read_in_thread(self.engine, query)
        if self.engine.dialect.name == "postgresql":
            return self._answered(asyncio.ensure_future(reading))
        return reading

    async def _answered(self, reading: "asyncio.Future[_T]") -> _T:
        """What is read, however long it takes while the database is alive. One that is stopped, or whose host stands still, keeps its
        connections open and says nothing: nobody waits for that."""
        reading.add_done_callback(_taken_note_of)
        while True:
            done, _ = await asyncio.wait((reading,), timeout=READ_LOOK_S)
            if done:
                return reading.result()
            try:
                await asyncio.wait_for(asyncio.to_thread(greet, self.engine), GREETING_S)
            except (SQLAlchemyError, TimeoutError) as error:
                raise StoreDown(AWAY.text) from error


def read_in_thread(engine: Engine, query: Callable[[Connection], _T]) -> Coroutine[Any, Any, _T]:
    """On a connection of its own. Its errors go to the caller; StoreDown when the database does not answer."""

    def run() -> _T:
        try:
            with engine.connect() as connection:
                return query(connection)
        except SQLAlchemyError as error:
            trouble = passing(error)
            if trouble is None:
                raise
            raise StoreDown(trouble.text) from error

    return asyncio.to_thread(run)


def _taken_note_of(reading: "asyncio.Future[Any]") -> None:
    """A read that nobody waits for any more may fail, and that is no fault of the loop."""
    if not reading.cancelled():
        reading.exception()
