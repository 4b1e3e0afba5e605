"""The heart of a running server: engine state, the hand-over to the store, and who waits for what.

Everything here runs on one event loop. A use case changes `state` by calling `engine/` functions with a `Changes`, then awaits
`commit(changes)`. While the store is busy, changes of many callers gather and are handed over together, after one placement
pass; answers and wake-ups leave only when the commit holds.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from herder.control.auth import Directory
from herder.control.clock import SteadyClock, SystemClock
from herder.control.driver_calls import ThreadCalls
from herder.control.event_bus import EventBus
from herder.control.flight_recorder import Recorder
from herder.control.payloads import Payloads
from herder.control.placing import Placer
from herder.control.preempting import Preemptor
from herder.decide.ageing import Ageing
from herder.engine.flush import flush
from herder.engine.state import EngineState
from herder.model.changes import Changes
from herder.model.driver import Driver
from herder.model.ids import ClassId
from herder.model.records import EventRecord
from herder.ports.calls import Calls
from herder.ports.clock import Clock
from herder.ports.store import Store
from herder.settings import SharingSettings
from herder.settings.sections import MetricSource
from herder.store.sweep import sweep_batch

log = logging.getLogger(__name__)

#: Between two tries to mark the jobs of a cancelled batch, when the database does not answer; doubled up to the longest.
SWEEP_RETRY_S = 0.5
SWEEP_RETRY_LONGEST_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreSettings:
    """Bounds of a server. Seconds."""

    server_url: str
    installation: str
    secret: str
    poll_s: float = 20.0
    """How long an exchange is held open when there is nothing to say: below the usual idle limits of proxies (30–60 s)."""
    self_delete_after_s: float = 600.0
    """How long a worker that cannot reach the server lives on."""
    scale_period_s: float = 1.0
    """The planner runs at least this often, and at once when the demand changes."""
    scale_settle_s: float = 0.05
    """It waits this long after a change, so that jobs submitted together are seen together."""
    farewell_s: float = 0.2
    """Between telling a worker to go and having the driver remove it."""
    sweep_period_s: float = 5.0
    """How often the drivers' machines are compared with our workers."""
    observations_kept_s: float = 7 * 86_400.0
    """How long what plans were made from is kept, so that they can be made again (`herder simulate verify`): a week of questions."""
    observations_bytes_max: int = 256 * 2**20
    """And at most so much of it, the newest: as much as the log of a few busy days. 0: none is recorded."""
    jobs_queued_max: int = 20_000_000
    """Above this, submissions are refused: 8 bytes each stay in memory."""
    ageing: Ageing = field(default_factory=Ageing)
    """Where `fair_share` of herder.yaml says nothing of it; each bound says why it is so."""
    metric_sources: tuple[MetricSource, ...] = ()
    """Where custom metrics are asked for. Only the server's own files name them: they hold addresses and secrets."""


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

    def ring(self, key: int) -> None:
        for future in self.by_key.pop(key, ()):
            if not future.done():
                future.set_result(None)

    def ring_all(self) -> None:
        for key in list(self.by_key):
            self.ring(key)


class Core:
    def __init__(
        self,
        *,
        settings: CoreSettings,
        state: EngineState,
        store: Store,
        directory: Directory,
        drivers: dict[str, Driver],
        on_fatal: Callable[[BaseException], None],
        clock: Clock | None = None,
        calls: Calls | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.clock = SteadyClock(SystemClock() if clock is None else clock)
        self.calls: Calls = ThreadCalls() if calls is None else calls
        self.transport = transport
        """How sources of metrics are asked; None: through sockets."""
        self.settings = settings
        self.state = state
        self.store = store
        self.directory = directory
        self.drivers = drivers
        self.started_at_ms = self.clock.now_ms()
        self.payloads = Payloads()
        self.raw_classes: dict[Hashable, ClassId] = {}
        """Classes by the form in which jobs name them; cleared when a pool changes, since each was checked against the pools."""
        self.placer = Placer(ageing=settings.ageing)
        self.preemptor = Preemptor()
        self.sharing = SharingSettings(ageing=settings.ageing)
        """As it is in force; `control/sharing.py` changes it."""
        self.recorder = Recorder() if settings.observations_bytes_max else None
        self.events = EventBus()
        self.demand_changed = asyncio.Event()
        self.workers_changed = asyncio.Event()
        self.jobs_ended = Waiters()
        self.batches_ended = Waiters()
        self.closing = False
        self.bells: dict[str, asyncio.Event] = {}
        """By worker: rung when it is to be told something."""
        self._on_fatal = on_fatal
        self._gathered = Changes()
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._busy = False
        self._scheduled = False
        self._asked = False
        self._sweeps: set[asyncio.Task[None]] = set()

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        """Hand over; the answer is a future shared with others that ends when the changes are durable."""
        self._gathered.absorb(changes)
        self._asked = True
        if not self._busy and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._hand_over)
        return asyncio.shield(self._future)

    def gather(self, changes: Changes) -> None:
        """Let changes travel with the next commit; for what is of no use alone."""
        self._gathered.absorb(changes)

    def settle(self) -> "asyncio.Future[None]":
        """Durable once everything handed over so far is."""
        return self.commit(Changes())

    async def read(self, query: Callable[[Connection], Any]) -> Any:
        """Run a query beside the writer, on a connection of its own."""
        return await self.store.read(query)

    def _hand_over(self) -> None:
        self._scheduled = self._asked = False
        changes, self._gathered = self._gathered, Changes()
        future, self._future = self._future, asyncio.get_running_loop().create_future()
        try:
            self.placer.run(self.state, changes, self.clock.now_ms())
            flush(self.state, changes)
        except Exception as error:
            self._on_fatal(
                error
            )  # what is in memory is wrong from here on, and nobody may be answered from it
            future.set_exception(error)
            raise
        number, self.state.hand_over = self.state.hand_over, self.state.hand_over + 1
        if changes.empty:
            self._done(changes, future, number)
            return
        self._busy = True
        self.store.commit(changes).add_done_callback(
            lambda done: self._committed(done, changes, future, number)
        )

    def _committed(
        self, done: "asyncio.Future[None]", changes: Changes, future: "asyncio.Future[None]", number: int
    ) -> None:
        self._busy = False
        error = done.exception()
        if error is not None:
            if not future.done():
                future.set_exception(error)
            return
        self._done(changes, future, number)
        if self._asked:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _done(self, changes: Changes, future: "asyncio.Future[None]", number: int) -> None:
        self.state.durable = number
        if not future.done():
            future.set_result(None)
        for call in changes.after:
            call()
        for name in sorted(changes.wake):  # the same order in every process: a run can be repeated
            bell = self.bells.get(name)
            if bell is not None:
                bell.set()
        for job in changes.ended_jobs:
            self.payloads.take(job)  # of one that never started
            self.jobs_ended.ring(job)
        events = changes.rows.get(EventRecord)
        if events:
            self._announce(list(events.values()))
        if self.state.fresh_demand or changes.jobs_new or events:
            self.demand_changed.set()
        for batch, at_ms in changes.sweeps.items():
            self.sweep(batch, at_ms)

    def _announce(self, records: list[Any]) -> None:
        for record in records:
            self.events.publish(record)
            if record.kind == "batch.ended":
                self.batches_ended.ring(int(record.object.partition("/")[2]))
            elif record.kind == "batch.cancelled":
                self.jobs_ended.ring_all()  # some of its jobs have ended without a word of their own
            elif record.kind.startswith("worker."):
                self.workers_changed.set()

    def sweep(self, batch: int, at_ms: int) -> None:
        """Mark the queued jobs of a cancelled batch one bounded piece at a time, between other commits."""
        self.payloads.clear()  # those of its queued jobs among them; the others are read when they are needed
        keep = [class_id for class_id, job_class in self.state.classes.items() if job_class.always_run]

        async def run() -> None:
            more, pause = True, SWEEP_RETRY_S
            while more:
                try:
                    more = await self.store.call(
                        lambda connection: sweep_batch(connection, batch, at_ms, keep)
                    )
                except DBAPIError as error:  # its rows can wait, and the next start would look after them
                    log.warning("batch %s: its jobs are not all marked yet: %s", batch, error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, SWEEP_RETRY_LONGEST_S)

        task = asyncio.get_running_loop().create_task(run(), name=f"sweep-{batch}")
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)

    def let_go(self) -> None:
        """The server is about to stop: whoever waits is answered now."""
        self.closing = True
        self.events.close()
        for bell in self.bells.values():
            bell.set()
        self.jobs_ended.ring_all()
        self.batches_ended.ring_all()

    async def close(self) -> None:
        """Everything gathered is written, then the store is let go."""
        await self.settle()
        await self.store.close()
