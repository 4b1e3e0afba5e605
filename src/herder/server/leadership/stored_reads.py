"""Reads without a leader: the store is read into a memory that nothing changes, and shown by the usual API and dashboard.

Asked by `forwarding.py` when no leader answers. While no server leads, the store does not change, and what was read stays right. When only
this server cannot reach the leader, the store is read again after a time that grows with the cost of reading. It must never write: its
store refuses, and no loop runs on its memory.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp

from herder.api.application import application
from herder.control.access.tokens import Directory
from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.kernel.settings import CoreSettings
from herder.control.recovery.recover import recover
from herder.engine.memory.state import EngineState
from herder.ledger.totals import Totals
from herder.model.stored.changes import Changes
from herder.ports.leadership import Leadership, ServerNote
from herder.ports.store import StoreDown, Trouble
from herder.server.options import ServerOptions
from herder.settings import SettingsError
from herder.store.rows.tables import meta
from herder.store.rows.versions import UnknownVersion
from herder.store.sql_store import NOT_LEADING, read_in_thread
from herder.web.routes import router
from herder.web.trend import Trend

log = logging.getLogger(__name__)

_T = TypeVar("_T")

#: The store is read again when the last reading is older than this, and older than this many times its duration.
AGE_S = 5.0
AGE_TIMES = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    core: Core
    face: ASGIApp
    at_ms: int
    until_s: float


class Stored:
    """`settings`: of the core, as a leader of this installation would have them; by the installation's name."""

    def __init__(
        self,
        options: ServerOptions,
        database: Engine,
        peers: Leadership,
        settings: Callable[[str], CoreSettings],
    ) -> None:
        self._options, self._database, self._peers, self._settings = options, database, peers, settings
        self._reading = asyncio.Lock()
        self._last: _Read | None = None
        self._not_before_s = 0.0

    async def face(self) -> tuple[ASGIApp, int] | None:
        """The application, and the time of what it says; None: the store does not answer either."""
        async with self._reading:
            now_s = asyncio.get_running_loop().time()
            if self._last is None or now_s > self._last.until_s:
                if now_s < self._not_before_s:
                    return None
                await self.close()
                self._last = await self._read()
                self._not_before_s = asyncio.get_running_loop().time() + AGE_S
            return None if self._last is None else (self._last.face, self._last.at_ms)

    async def close(self) -> None:
        """Drop what was read."""
        last, self._last = self._last, None
        if last is not None:
            last.core.shut_down()
            await last.core.close()

    async def _read(self) -> _Read | None:
        loop = asyncio.get_running_loop()
        at_ms, began_s = now_ms(), loop.time()
        try:
            state, directory, ledger, installation = await asyncio.to_thread(self._rows, at_ms)
        except (SQLAlchemyError, UnknownVersion, SettingsError, ValueError, KeyError, TypeError) as error:
            log.warning("The store cannot be read by this server, which follows: %s", error)
            return None
        took_s = loop.time() - began_s
        core = Core(
            settings=self._settings(installation),
            state=state,
            ledger=ledger,
            store=_Unchanged(self._database),
            directory=directory,
            drivers={},
            on_fatal=_failed,
            leadership=_Past(self._peers, at_ms),
        )
        until_s = loop.time() + max(AGE_S, AGE_TIMES * took_s)
        face = application(core, router(core, Trend()).routes)
        return _Read(core=core, face=face, at_ms=at_ms, until_s=until_s)

    def _rows(self, at_ms: int) -> tuple[EngineState, Directory, Totals, str]:
        """Of one moment."""
        with self._database.connect() as connection:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            state, directory, _ = recover(connection, at_ms, self._options.resources)
            known = select(meta.c.value).where(meta.c.key == "installation")
            installation = connection.execute(known).scalar() or ""
            return state, directory, read_ledger(connection), installation


class _Past:
    """`ports.leadership.Leadership`, of a server that shows a past state."""

    def __init__(self, peers: Leadership, at_ms: int) -> None:
        self._peers = peers
        self.as_of_ms: int | None = at_ms

    @property
    def epoch(self) -> int:
        return 0

    @property
    def addresses(self) -> tuple[str, ...]:
        return self._peers.addresses

    def holds(self) -> bool:
        return False

    def servers(self) -> Sequence[ServerNote]:
        return self._peers.servers()


class _Unchanged:
    """`ports.store.Store`: read, and never written."""

    commits = rows = 0

    def __init__(self, database: Engine) -> None:
        self._database = database

    @property
    def trouble(self) -> Trouble | None:
        return NOT_LEADING

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        return _refused()

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        return _refused()

    def read(self, query: Callable[[Connection], _T]) -> Awaitable[_T]:
        return read_in_thread(self._database, query)

    async def close(self) -> None:
        """Nothing is to be written."""


def _refused() -> "asyncio.Future[Any]":
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_exception(StoreDown(NOT_LEADING.text))
    future.exception()  # a caller need not wait for it
    return future


def _failed(error: BaseException) -> NoReturn:
    raise RuntimeError(f"A read changed something: {error}") from error
