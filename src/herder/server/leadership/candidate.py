"""A server's candidacy for the leadership of a PostgreSQL store: a thread records that the server runs, and renews or takes the lease.

Created by `turns.py`, asked by everything that acts (`ports/leadership.py`). The thread has its own connection, so neither a busy event
loop nor a long commit loses the lease. It measures the lease with the machine's monotonic clock, from before the request was sent, so the
server never believes in a lease that has ended in the database. After it stepped down it must not lead again before the memory of the old
term is dropped (`stand_by`).
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from herder.control.kernel.clock import SystemClock
from herder.model.values.phrases import clause
from herder.ports.leadership import ServerNote
from herder.store.opening.database import Sockets
from herder.store.opening.lease import (
    APPLICATION,
    LEASE_MS,
    MARGIN_MS,
    LeaseRow,
    Me,
    Step,
    heard,
    next_step,
    read_lease,
    read_servers,
    release,
    renew,
    take_over,
)

log = logging.getLogger(__name__)

#: Time between two renewals, and between two looks of a follower.
RENEW_S = 1.0
LOOK_S = 0.5
#: A turn that takes longer is ended, because the network does not answer.
TURN_MS = 3_000
#: Addresses of servers that were not heard from for longer are not given to workers.
ABSENT_MS = 60_000
#: How long an orderly stop waits for the lease to be released.
RETIRE_S = 4.0

_TIMEOUTS = {
    "connect_timeout": 3,
    "keepalives_idle": 2,
    "tcp_user_timeout": 3_000,
    "options": "-c statement_timeout=3000 -c lock_timeout=2500 -c idle_in_transaction_session_timeout=5000",
}


class Candidate:
    """`ports.leadership.Leadership`. Made inside a running event loop."""

    def __init__(self, store_url: str, me: Me) -> None:
        address = make_url(store_url).set(drivername="postgresql+psycopg")
        self._engine = create_engine(
            address,
            poolclass=NullPool,
            connect_args={**_TIMEOUTS, "application_name": APPLICATION + me.instance},
        )
        self._sockets = Sockets(self._engine)
        self._connection: Connection | None = None
        self._clock = SystemClock()
        self._me = me
        self._epoch = 0
        self._until_ms = 0
        self._willing = True
        self._stopping = False
        self._turn_since_ms: int | None = None
        self._servers: tuple[ServerNote, ...] = ()
        self._expired = True
        self._looked_ms = 0
        self.addresses: tuple[str, ...] = ()
        """Of all running servers, the leader's first. A new object only when the list has changed."""
        self.as_of_ms: int | None = None
        self.predecessor = ""
        """The address of the server that led before; empty when it was this one, or none."""
        self.fenced = ""
        """Why this server no longer leads; empty as long as no other server has taken over."""
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="herder-lease", daemon=True)
        self._thread.start()

    # --- asked by others

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def instance(self) -> str:
        return self._me.instance

    def holds(self) -> bool:
        return self._clock.monotonic_ms() < self._until_ms

    def servers(self) -> Sequence[ServerNote]:
        return self._servers

    def leader(self) -> ServerNote | None:
        """The other server that leads, as last seen; None: none does, or it is unknown."""
        if self._expired or self._clock.monotonic_ms() - self._looked_ms > LEASE_MS:
            return None
        return next((note for note in self._servers if note.leads and note.id != self._me.server), None)

    async def changed(self, within_s: float) -> None:
        """Wait until the lease was read for the first time, this server began or ceased to lead, or `within_s` is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), within_s)
        self._changed.clear()

    def look(self) -> None:
        """Called regularly: end a turn that takes too long."""
        since_ms = self._turn_since_ms
        if since_ms is not None and self._clock.monotonic_ms() - since_ms > TURN_MS:
            self._sockets.cut()

    def stand_by(self) -> None:
        """The memory of the last term is dropped, so this server may lead again. The writer may notice a take-over before the thread."""
        self._epoch = self._until_ms = 0
        self._willing = True

    async def retire(self) -> None:
        """Release the lease and end."""
        self._stopping = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, RETIRE_S)
        self._sockets.cut()
        self._until_ms = 0

    # --- the thread

    def _run(self) -> None:
        fresh, reached = True, True
        while not self._stopping:
            try:
                self._turn(fresh=fresh)
                if fresh:
                    self._tell()
                fresh, reached = False, True
            except SQLAlchemyError as error:
                level = logging.WARNING if reached else logging.DEBUG
                log.log(
                    level,
                    "The lease of the store cannot be looked at: %s",
                    clause(error.orig if isinstance(error, DBAPIError) else error),
                )
                reached = False
                self._drop()
            self._turn_since_ms = None
            self._wake.wait(RENEW_S if self._epoch else LOOK_S)
        with suppress(SQLAlchemyError):
            self._leave()
        self._drop()

    def _turn(self, *, fresh: bool) -> None:
        began_ms = self._turn_since_ms = self._clock.monotonic_ms()
        connection = self._connected()
        with connection.begin():
            now_ms, row = read_lease(connection)
            step = next_step(now_ms, row, self._me, self._epoch)
            if step is Step.RENEW and not renew(connection, self._me, self._epoch):
                step = Step.STEP_DOWN
            heard(connection, self._me, fresh=fresh)
            servers = read_servers(connection, row.server if row is not None else "")
        addresses = tuple(note.url for note in servers if note.seen_ms <= ABSENT_MS or note.leads)
        if addresses != self.addresses:
            self.addresses = addresses
        self._servers, self._looked_ms = servers, began_ms
        self._expired = row is None or now_ms >= row.expires_at_ms
        if step is Step.RENEW:
            self._until_ms = began_ms + LEASE_MS - MARGIN_MS
        elif step is Step.STEP_DOWN:
            self._step_down(row)
        elif step is Step.TAKE_OVER and self._willing and not self._stopping:
            self._take_over(connection, row)

    def _take_over(self, connection: Connection, row: LeaseRow | None) -> None:
        began_ms = self._turn_since_ms = self._clock.monotonic_ms()
        with connection.begin():
            epoch = take_over(connection, self._me)
        if not epoch:
            return
        before = row.server if row is not None else ""
        urls = {note.id: note.url for note in self._servers if note.id != self._me.server}
        self.predecessor = urls.get(before, "")
        self._willing, self.fenced = False, ""
        self._until_ms = began_ms + LEASE_MS - MARGIN_MS
        self._epoch = epoch
        self._tell()

    def _step_down(self, row: LeaseRow | None) -> None:
        self._until_ms = 0
        by = next((note.url for note in self._servers if note.leads), "another server")
        epoch = row.epoch if row is not None else "unknown"
        self.fenced = f"The store was taken over by {by} (epoch {epoch}, this server's is {self._epoch})."
        self._epoch = 0
        self._tell()

    def _leave(self) -> None:
        self._until_ms = 0
        self._turn_since_ms = self._clock.monotonic_ms()
        connection = self._connected()
        with connection.begin():
            release(connection, self._me, self._epoch)

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._changed.set)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.invalidate()
                connection.close()
