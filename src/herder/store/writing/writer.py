"""The one writer: takes all changes that arrived during the previous commit, writes them in one transaction, then notifies the loop.

There is no timer: when nothing is under way, a change is committed at once; under load a commit carries everything that
arrived during the one before. Each transaction first makes sure that nobody else has taken the store over (`store/opening/leadership.py`).
An error that passes (a full disk, a database that is away) is waited out: the same changes are tried again, nothing overtakes
them, nobody is told anything, and `trouble` says why. Any other is fatal to the server, because the engine in memory is then
ahead of the disk: the error reaches `on_fatal`, and every caller that waits, now or later, gets it.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from herder.model.stored.changes import Changes
from herder.ports.store import StoreDown, Trouble
from herder.store.opening.database_errors import FULL, UNWRITABLE, passing
from herder.store.opening.file import StoreFile
from herder.store.opening.leadership import Leader, begin, take_over
from herder.store.writing.change_rows import ChangeRows

log = logging.getLogger(__name__)

#: Rows after which a transaction takes no further changes along, so that no caller waits behind a huge commit.
ROWS_PER_COMMIT = 50_000
#: Between two tries of a transaction whose error passes; doubled up to the longest.
RETRY_S = 0.05
RETRY_LONGEST_S = 1.0
#: How long a server that stops goes on trying, from when the trouble began.
CLOSE_S = 5.0
#: How often the file and its disk are looked at.
LOOK_S = 1.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Call:
    work: Callable[[Connection], Any]
    future: "asyncio.Future[Any]"


class Writer:
    """Start with a running loop; `commit` from the loop only; `close` waits for what was handed over."""

    def __init__(
        self,
        engine: Engine,
        on_fatal: Callable[[BaseException], None],
        leader: Leader | None = None,
        file: StoreFile | None = None,
    ) -> None:
        """`leader` None: the store is taken over now. `file`: watched, for SQLite."""
        self._engine = engine
        self._leader = take_over(engine, 0) if leader is None else leader
        self._file = file
        self._rows = ChangeRows(engine.dialect.name)
        self._on_fatal = on_fatal
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Changes, asyncio.Future[None]] | _Call] = deque()
        self._under_way: list[asyncio.Future[Any]] = []
        self._bell = threading.Condition()
        self._pause = threading.Event()
        self._closing = False
        self._give_up_at = float("inf")
        self._dead: BaseException | None = None
        self._stuck: Trouble | None = None
        self._stuck_since = 0.0
        self._space: Trouble | None = None
        self._looked_at = 0.0
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="herder-writer", daemon=True)
        self._thread.start()

    @property
    def rows(self) -> int:
        return self._rows.written

    @property
    def trouble(self) -> Trouble | None:
        return self._stuck or self._space

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        """Hand over changes; the future ends when they are durable. Order of calls is order of effect."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._hand_over((changes, future), future)
        return future

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        """Run `work` in a transaction of its own, after what was handed over before it. Its errors go to the caller, but for those
        that pass: then it runs again."""
        future: asyncio.Future[_T] = self._loop.create_future()
        self._hand_over(_Call(work, future), future)
        return future

    def _hand_over(
        self, item: "tuple[Changes, asyncio.Future[None]] | _Call", future: "asyncio.Future[Any]"
    ) -> None:
        with self._bell:
            if self._closing or self._dead is not None:
                future.set_exception(self._dead or StoreDown("The store is closed."))
                return
            self._waiting.append(item)
            self._bell.notify()

    async def close(self) -> None:
        with self._bell:
            self._closing = True
            now = self._loop.time()
            self._give_up_at = (now if self._stuck is None else self._stuck_since) + CLOSE_S
            self._bell.notify()
        self._pause.set()  # one more try, at once
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            while True:
                with self._bell:
                    if not self._waiting and not self._closing:
                        self._bell.wait(LOOK_S)
                    if self._closing and not self._waiting:
                        return
                    item = self._take() if self._waiting else None
                if item is not None:
                    self._carry_out(item)
                    item = None  # what was written is not kept until something else comes
                self._look()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the loop must hear of it
            self._die(error)

    def _carry_out(self, item: "_Call | tuple[Changes, list[asyncio.Future[Any]]]") -> None:
        if isinstance(item, _Call):
            self._under_way = [item.future]
            self._work(item)
        else:
            merged, self._under_way = item
            self._write(merged)
            self._loop.call_soon_threadsafe(self._settle, merged, self._under_way)
        self._under_way = []

    def _die(self, error: BaseException) -> None:
        """Nothing more is written; every waiting caller gets the reason."""
        with self._bell:
            self._dead = error
            left = [item.future if isinstance(item, _Call) else item[1] for item in self._waiting]
            self._waiting.clear()
        with suppress(
            RuntimeError
        ):  # the loop is closed: the server ended for another reason, and nobody waits any more
            self._loop.call_soon_threadsafe(self._fail, [*self._under_way, *left], error)

    def _take(self) -> "_Call | tuple[Changes, list[asyncio.Future[Any]]]":
        """What to do next: one piece of work, or all changes that stand before the next one."""
        merged, rows = Changes(), 0
        futures: list[asyncio.Future[Any]] = []
        while self._waiting and (rows < ROWS_PER_COMMIT or not futures):
            item = self._waiting[0]
            if isinstance(item, _Call):
                if not futures:
                    self._waiting.popleft()
                    return item
                break
            self._waiting.popleft()
            changes, future = item
            merged.absorb(changes)
            futures.append(future)
            rows += len(changes.jobs_new) + len(changes.job_status)
        return merged, futures

    def _work(self, item: _Call) -> None:
        try:
            result = self._patiently(partial(self._transaction, item.work))
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001 - it is the caller's
            self._loop.call_soon_threadsafe(_end, item.future, None, error)
        else:
            self._loop.call_soon_threadsafe(_end, item.future, result, None)

    def _write(self, changes: Changes) -> None:
        if changes.empty:
            return
        self._patiently(partial(self._transaction, partial(self._rows.write, changes=changes)))
        if self._file is not None:
            self._file.check()
        self.commits += 1

    def _transaction(self, work: Callable[[Connection], _T]) -> _T:
        with self._engine.begin() as connection:
            begin(connection, self._leader)
            return work(connection)

    def _patiently(self, step: Callable[[], _T]) -> _T:
        """Try until it holds: rows are written by key, so repeating what may have been done is harmless."""
        pause, since = RETRY_S, self._loop.time()
        while True:
            try:
                result = step()
            except Exception as error:
                trouble = passing(error)
                if trouble is None or isinstance(error, StoreDown):
                    raise
                self._told(trouble, again=pause > RETRY_S)
                if self._loop.time() >= self._give_up_at:
                    raise StoreDown(_given_up(trouble)) from error
                if self._pause.wait(pause):
                    self._pause.clear()
                pause = min(pause * 2, RETRY_LONGEST_S)
            else:
                if self._stuck is not None:
                    log.warning("The store can be written again after %.1f s.", self._loop.time() - since)
                    self._stuck = None
                return result

    def _told(self, trouble: Trouble, *, again: bool) -> None:
        """One moment of contention is not reported; a second one is."""
        if self._file is not None:
            self._file.log_was_closed()
            if trouble.code == UNWRITABLE.code and self._file.full():
                trouble = FULL
        if trouble.code == FULL.code or again:
            if self._stuck is None:
                log.warning(
                    "%s New work is refused until the store can be written. %s", trouble.text, trouble.hint
                )
                self._stuck_since = self._loop.time()
            self._stuck = trouble

    def _look(self) -> None:
        """Now and then, busy or not: is the file still there, and is there space on its disk?"""
        now = self._loop.time()
        if self._file is not None and now >= self._looked_at + LOOK_S:
            self._looked_at = now
            self._file.check()
            before, self._space = self._space, self._file.space()
            if self._space is not None and before is None:
                log.warning("%s New work is refused. %s", self._space.text, self._space.hint)

    def _settle(self, changes: Changes, futures: "list[asyncio.Future[Any]]") -> None:
        for call in changes.after:
            call()
        for future in futures:
            if not future.done():
                future.set_result(None)

    def _fail(self, futures: "list[asyncio.Future[Any]]", error: BaseException) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(error)
        self._on_fatal(error)


def _given_up(trouble: Trouble) -> str:
    return (
        f"{trouble.text} The last changes were not written. {trouble.remedy}, then start the server again. "
        "Nothing that was accepted is lost."
    )


def _end(future: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
