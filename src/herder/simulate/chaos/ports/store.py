"""The store of the simulated world: real rows in SQLite in memory, written inline after a drawn virtual time.

Like the real writer, it writes all changes that arrived meanwhile in one transaction, and checks in it that no other server leads. It
can be unavailable for a while (`trouble`), lose its connection after a commit and write the same again, or fail for good. When its server
is killed, `Dice` decides whether the transaction under way is written.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from herder.model.stored.changes import Changes
from herder.ports.store import StoreDown, Trouble
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.ports.effects import Effects
from herder.store.opening.database_errors import AWAY
from herder.store.opening.leadership import Fenced, Leader, begin
from herder.store.rows.columns import metadata
from herder.store.writing.change_rows import ChangeRows

_T = TypeVar("_T")

LATE_S = 8.0


def memory_store() -> Engine:
    """An empty store with all tables."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA synchronous=OFF")
        metadata.create_all(connection)
    return engine


@dataclass(slots=True)
class _Item:
    what: "Changes | Callable[[Connection], Any]"
    futures: "list[asyncio.Future[Any]]"


class VirtualStore:
    """`ports.store.Store`, of one run of a server. `leader` None: no other server writes."""

    def __init__(
        self,
        engine: Engine,
        dice: Dice,
        trace: Callable[..., None],
        on_fatal: Callable[[BaseException], None],
        *,
        leader: Leader | None = None,
        effects: Effects | None = None,
        written: Callable[[Changes], None] = lambda _changes: None,
    ) -> None:
        self._engine, self._dice, self._trace, self._on_fatal = engine, dice, trace, on_fatal
        self._leader, self._effects, self._written = leader, effects, written
        self._loop = asyncio.get_running_loop()
        self._rows = ChangeRows(engine.dialect.name)
        self._waiting: deque[_Item] = deque()
        self._under_way: Changes | None = None
        self._busy = self._broken = False
        self.trouble: Trouble | None = None
        self.commits = 0

    @property
    def rows(self) -> int:
        return self._rows.written

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        return self._hand_over(changes)

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        return self._hand_over(work)

    async def read(self, query: Callable[[Connection], _T]) -> _T:
        await asyncio.sleep(self._dice.of("reads").uniform(0.0, 0.01))
        with self._engine.connect() as connection:
            return query(connection)

    async def close(self) -> None:
        while self._waiting or self._busy:
            await asyncio.sleep(0.01)

    def killed(self) -> None:
        """The process has ended. The transaction under way is written or not."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None and self._dice.of("half-written").random() < 0.5:
            with suppress(Fenced):
                self._carry_out(under_way)
        self._broken = True

    # --- inside

    def _hand_over(self, what: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._broken:
            future.set_exception(StoreDown("The store is closed."))
            future.exception()  # a caller need not wait for it
        elif self._effects is None or self._effects.at("commit"):
            self._waiting.append(_Item(what, [future]))
            self._next()
        return future

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        item, odds = self._take(), self._dice.odds
        fault = self._dice.fault("store", "commit", odds.store_slow, (Fault.LATE,))
        if fault is Fault.NONE:
            fault = self._dice.fault("store", "commit", odds.store_fails, (Fault.REFUSED,))
        if fault is Fault.NONE:
            fault = self._dice.fault("store", "commit", odds.store_twice, (Fault.WRITTEN_TWICE,))
        self.trouble = AWAY if fault is Fault.LATE else None
        wait_s = LATE_S if fault is Fault.LATE else self._dice.of("commit times").uniform(0.0005, 0.02)
        # The database writes also when the process that asked has ended.
        self._loop.call_later(wait_s, self._write, item, fault, context=contextvars.Context())

    def _take(self) -> _Item:
        item = self._waiting.popleft()
        if isinstance(item.what, Changes):
            merged = Changes()
            merged.absorb(item.what)
            item.what = merged
            while self._waiting and isinstance(self._waiting[0].what, Changes):
                more = self._waiting.popleft()
                assert isinstance(more.what, Changes)
                merged.absorb(more.what)
                item.futures += more.futures
            self._under_way = merged
        return item

    def _write(self, item: _Item, fault: Fault) -> None:
        if self._broken:
            return
        self._busy, self._under_way, self.trouble = False, None, None
        answer, error = self._tried(item.what, fault)
        if self._effects is not None and not self._effects.at("committed"):
            return
        if error is None and isinstance(item.what, Changes):
            for call in item.what.after:
                call()
        for future in item.futures:
            if future.done():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)
        if error is not None and (isinstance(item.what, Changes) or isinstance(error, StoreDown)):
            self._broken = True
            self._on_fatal(error)
        else:
            self._next()

    def _tried(self, what: Any, fault: Fault) -> tuple[Any, BaseException | None]:
        is_changes = isinstance(what, Changes)
        try:
            if fault is Fault.REFUSED and is_changes:
                raise StoreDown("The store can no longer be written.")
            answer = self._carry_out(what)
            if fault is Fault.WRITTEN_TWICE and is_changes:
                self._written_again(what)
        except Exception as error:  # noqa: BLE001 - goes to the caller
            return None, error
        return answer, None

    def _written_again(self, changes: Changes) -> None:
        with self._engine.begin() as connection:
            if self._leader is not None:
                begin(connection, self._leader)
            self._rows.write(connection, changes)

    def _carry_out(self, what: Any) -> Any:
        with self._engine.begin() as connection:
            if self._leader is not None:
                begin(connection, self._leader)
            if not isinstance(what, Changes):
                return what(connection)
            self._rows.write(connection, what)
        self.commits += 1
        self._trace("commit", len(what.jobs_new), len(what.job_status), len(what.attempts))
        self._written(what)
        return None
