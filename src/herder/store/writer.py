"""The one writer: takes all changes that gathered while it was busy, writes them in one transaction, then tells the loop.

There is no timer: when nothing is under way, a change is committed at once; under load a commit carries everything that
arrived during the one before. A commit that fails for good is fatal to the server, because the engine in memory is then ahead
of the disk: the error reaches `on_fatal`, and nothing is answered any more.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from herder.model.changes import Changes
from herder.model.records import AttemptRecord, JobNew, JobStatus
from herder.store.statements import statements_for

#: Rows in one statement: bounds the memory of the JSON parameter (about 10 MB of jobs).
ROWS_PER_STATEMENT = 20_000
#: Rows after which a transaction takes no further changes along, so that no caller waits behind a huge commit.
ROWS_PER_COMMIT = 50_000
#: Tries of one commit against a PostgreSQL that went away (rows are written by key, so repeating is harmless).
COMMIT_TRIES = 5

#: PostgreSQL cannot know how few rows a JSON parameter has, and joins it with a scan of the whole table (10 times slower with
#: a hundred thousand jobs). Every statement of the writer goes by key, so nothing else is allowed to it.
BY_KEY_ONLY = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
)

_T = TypeVar("_T")
_encode = msgspec.json.Encoder().encode


class Writer:
    """Start with a running loop; `commit` from the loop only; `close` waits for what was handed over."""

    def __init__(self, engine: Engine, on_fatal: Callable[[BaseException], None]) -> None:
        self._engine = engine
        self._postgres = engine.dialect.name == "postgresql"
        self._statements = statements_for(engine.dialect.name).by_record
        self._on_fatal = on_fatal
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Changes, asyncio.Future[None] | Callable[[], None]]] = deque()
        self._bell = threading.Condition()
        self._closing = False
        self.commits = 0
        self.rows = 0
        self._thread = threading.Thread(target=self._run, name="herder-writer", daemon=True)
        self._thread.start()

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        """Hand over changes; the future ends when they are durable. Order of calls is order of effect."""
        future: asyncio.Future[None] = self._loop.create_future()
        with self._bell:
            if self._closing:
                future.set_exception(RuntimeError("the store is closed"))
                return future
            self._waiting.append((changes, future))
            self._bell.notify()
        return future

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        """Run `work` in a transaction of its own, after what was handed over before it. Its errors go to the caller."""
        changes, future = Changes(), self._loop.create_future()

        def settle(result: _T) -> None:
            if not future.done():
                future.set_result(result)

        def fail(error: Exception) -> None:
            if not future.done():
                future.set_exception(error)

        def run() -> None:
            try:
                with self._engine.begin() as connection:
                    result = work(connection)
            except Exception as error:  # noqa: BLE001 - it is the caller's
                self._loop.call_soon_threadsafe(fail, error)
            else:
                self._loop.call_soon_threadsafe(settle, result)

        with self._bell:
            if self._closing:
                future.set_exception(RuntimeError("the store is closed"))
                return future
            self._waiting.append((changes, run))
            self._bell.notify()
        return future

    async def close(self) -> None:
        with self._bell:
            self._closing = True
            self._bell.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            with self._bell:
                while not self._waiting and not self._closing:
                    self._bell.wait()
                if not self._waiting:
                    return
                merged, futures, work = self._take()
            try:
                if work is not None:
                    work()
                    continue
                self._write(merged)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the loop must hear of it
                self._loop.call_soon_threadsafe(self._fail, futures, error)
                return
            self._loop.call_soon_threadsafe(self._settle, merged, futures)

    def _take(self) -> "tuple[Changes, list[asyncio.Future[None]], Callable[[], None] | None]":
        """What to do next: one piece of work, or all changes that stand before the next one."""
        merged, rows = Changes(), 0
        futures: list[asyncio.Future[None]] = []
        while self._waiting and rows < ROWS_PER_COMMIT:
            changes, then = self._waiting[0]
            if not isinstance(then, asyncio.Future):
                if futures:
                    break
                self._waiting.popleft()
                return merged, futures, then
            self._waiting.popleft()
            merged.absorb(changes)
            futures.append(then)
            rows += len(changes.jobs_new) + len(changes.job_status)
        return merged, futures, None

    def _write(self, changes: Changes) -> None:
        if changes.empty:
            return
        for attempt in range(COMMIT_TRIES):
            try:
                with self._engine.begin() as connection:
                    self._execute(connection, changes)
                break
            except DBAPIError as error:
                if not error.connection_invalidated or attempt == COMMIT_TRIES - 1:
                    raise
        self.commits += 1

    def _execute(self, connection: Connection, changes: Changes) -> None:
        if self._postgres:
            connection.exec_driver_sql(BY_KEY_ONLY)
        self._rows(connection, JobNew, changes.jobs_new)
        self._rows(connection, JobStatus, list(changes.job_status.values()))
        self._rows(connection, AttemptRecord, list(changes.attempts.values()))
        for kind, table in changes.rows.items():
            self._rows(connection, kind, list(table.values()))

    def _rows(self, connection: Connection, kind: type, rows: list) -> None:  # type: ignore[type-arg]
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            some = rows[start : start + ROWS_PER_STATEMENT]
            text = _encode(some).decode()
            if "\\u0000" in text:
                text = _encode([_without_nul(row) for row in some]).decode()
            connection.exec_driver_sql(self._statements[kind], (text,))
        self.rows += len(rows)

    def _settle(self, changes: Changes, futures: "list[asyncio.Future[None]]") -> None:
        for call in changes.after:
            call()
        for future in futures:
            if not future.done():
                future.set_result(None)

    def _fail(self, futures: "list[asyncio.Future[None]]", error: BaseException) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(error)
        self._on_fatal(error)


def _without_nul(row: tuple[object, ...]) -> list[object]:
    """No database holds a NUL in text, and none may stop us. SUB takes its place, of one byte too: offsets still hold."""
    return [value.replace("\x00", "\x1a") if isinstance(value, str) else value for value in row]
