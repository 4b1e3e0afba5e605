"""The store of the simulated world: real rows in SQLite in memory, written inline after a drawn while of virtual time.

As the real writer does, it takes all changes that gathered while it was busy in one transaction. It can be away for a while, and
says so in `trouble`; and it can fail for good. What was on its way when its server is killed is written or not, as the dice say.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from herder.model.stored.changes import Changes
from herder.ports.store import StoreDown, Trouble
from herder.store.opening.database_errors import AWAY
from tests.simulation.world.plan import Dice, Fault
from tests.support.engine_world import write

_T = TypeVar("_T")

LATE_S = 8.0


class VirtualStore:
    """`ports.store.Store`, of one life of a server."""

    def __init__(
        self,
        engine: Engine,
        dice: Dice,
        trace: Callable[..., None],
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._engine, self._dice, self._trace, self._on_fatal = engine, dice, trace, on_fatal
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Changes | Callable[[Connection], Any], asyncio.Future[Any]]] = deque()
        self._under_way: Changes | None = None
        self._busy = self._broken = False
        self.trouble: Trouble | None = None
        self.commits = 0
        self.rows = 0

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        return self._hand_over(changes)

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        return self._hand_over(work)

    async def read(self, query: Callable[[Connection], _T]) -> _T:
        await asyncio.sleep(self._dice.draw.uniform(0.0, 0.01))
        with self._engine.connect() as connection:
            return query(connection)

    async def close(self) -> None:
        while self._waiting or self._busy:
            await asyncio.sleep(0.01)

    def killed(self) -> None:
        """Its process has ended: what was being written is there, or not."""
        if self._under_way is not None and self._dice.draw.random() < 0.5:
            write(self._engine, self._under_way)
        self._broken = True

    # --- inside

    def _hand_over(self, what: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._broken:
            future.set_exception(StoreDown("The store is closed."))
            future.exception()  # not everybody waits for an answer
        else:
            self._waiting.append((what, future))
            self._next()
        return future

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        what, futures = self._take()
        odds = self._dice.odds
        fault = self._dice.fault("commit", odds.store_slow, (Fault.LATE,))
        if fault is Fault.NONE:
            fault = self._dice.fault("commit", odds.store_fails, (Fault.REFUSED,))
        self.trouble = AWAY if fault is Fault.LATE else None
        wait_s = LATE_S if fault is Fault.LATE else self._dice.draw.uniform(0.0005, 0.02)
        self._loop.call_later(wait_s, self._write, what, futures, fault)

    def _take(self) -> tuple[Any, "list[asyncio.Future[Any]]"]:
        what, future = self._waiting.popleft()
        if not isinstance(what, Changes):
            return what, [future]
        merged, futures = Changes(), [future]
        merged.absorb(what)
        while self._waiting and isinstance(self._waiting[0][0], Changes):
            more, future = self._waiting.popleft()
            assert isinstance(more, Changes)
            merged.absorb(more)
            futures.append(future)
        self._under_way = merged
        return merged, futures

    def _write(self, what: Any, futures: "list[asyncio.Future[Any]]", fault: Fault) -> None:
        if self._broken:
            return
        self._busy, self._under_way, self.trouble = False, None, None
        answer, error = None, None
        try:
            if fault is Fault.REFUSED and isinstance(what, Changes):
                raise StoreDown("The store was taken over.")
            answer = self._carry_out(what)
        except Exception as caught:  # noqa: BLE001 - it is the caller's
            error = caught
        for future in futures:
            if future.done():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)
        if error is not None and isinstance(what, Changes):
            self._broken = True
            self._on_fatal(error)
            return
        self._next()

    def _carry_out(self, what: Any) -> Any:
        if isinstance(what, Changes):
            write(self._engine, what)
            self.commits += 1
            self._trace("commit", len(what.jobs_new), len(what.job_status), len(what.attempts))
            for call in what.after:
                call()
            return None
        with self._engine.begin() as connection:
            return what(connection)
