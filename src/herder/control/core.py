"""The kernel of a running server: engine state, the hand-over to the store, and who waits for what.

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
from herder.control.backlog import Backlog
from herder.control.booking import book
from herder.control.clock import SteadyClock, SystemClock
from herder.control.driver_calls import PLACES, DriverCalls
from herder.control.driver_notes import DriverNotes
from herder.control.errors import StoreTroubled
from herder.control.event_bus import EventBus
from herder.control.flight_recorder import Recorder
from herder.control.limits import LOG_BYTES_PER_ATTEMPT, QUEUED_BYTES_PER_USER, QUEUED_JOBS_PER_USER
from herder.control.payloads import Payloads
from herder.control.placing import Placer
from herder.control.planning import Planning
from herder.control.preempting import Preemptor
from herder.control.touched import mark
from herder.decide.ageing import Ageing
from herder.engine.flush import flush
from herder.engine.state import EngineState
from herder.ledger.totals import Totals
from herder.model.changes import Changes
from herder.model.driver import Driver
from herder.model.ids import ClassId
from herder.model.records import EventRecord
from herder.ports.calls import Calls
from herder.ports.clock import Clock
from herder.ports.store import Store, StoreDown
from herder.settings import SharingSettings
from herder.settings.sections import MetricSource
from herder.store.retention import Retention
from herder.store.sweep import sweep_batch

log = logging.getLogger(__name__)

#: Between two tries to mark the jobs of a cancelled batch, when the database does not answer; doubled up to the longest.
SWEEP_RETRY_S = 0.5
SWEEP_RETRY_LONGEST_S = 30.0
#: Between two placement passes that look at different classes, when very many wait.
LOOK_AGAIN_S = 0.02

#: How long a server that stops waits until what it gathered is handed over.
CLOSE_S = 5.0


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
    driver_calls: int = PLACES
    """Calls at a time of each driver; more wait. Providers throttle clients that send many more at once."""
    removals_least: int = 3
    """When one sweep or one minute would close or remove more of a driver's machines than this, and more than the next part of them,
    nothing is removed, the driver is frozen, and a person is asked: a wrong listing looks the same as a lost zone."""
    removals_part: float = 0.2
    """The other half of that bound: for a driver with many machines."""
    observations_kept_s: float = 7 * 86_400.0
    """How long what plans were made from is kept, so that they can be made again (`herder simulate verify`): a week of questions."""
    observations_bytes_max: int = 256 * 2**20
    """And at most so much of it, the newest: as much as the log of a few busy days. 0: none is recorded."""
    retention: Retention = field(default_factory=Retention)
    """How long what has ended is kept."""
    jobs_queued_max: int = 20_000_000
    """Above so many jobs that have not ended, submissions are refused: 8 bytes each stay in memory, more of those with parents."""
    queued_jobs_per_user: int = QUEUED_JOBS_PER_USER
    queued_bytes_per_user: int = QUEUED_BYTES_PER_USER
    """Above these a user's submissions are refused until some of the jobs have started."""
    log_bytes_per_attempt: int = LOG_BYTES_PER_ATTEMPT
    """Output that is kept of an attempt, head and tail together."""
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
        ledger: Totals,
        store: Store,
        directory: Directory,
        drivers: dict[str, Driver],
        on_fatal: Callable[[BaseException], None],
        clock: Clock | None = None,
        calls: Calls | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.clock = SteadyClock(SystemClock() if clock is None else clock)
        self.calls: Calls = DriverCalls(self.clock, places=settings.driver_calls) if calls is None else calls
        """The only way to a driver; everything but tests goes through `control/driver_use.py`."""
        self.driver_kinds: dict[str, str] = {}
        """By driver: which one it is; for people."""
        self.driver_notes: dict[str, DriverNotes] = {}
        """By driver: what was heard of it last; in memory only."""
        self.transport = transport
        """How sources of metrics are asked; None: through sockets."""
        self.settings = settings
        self.state, self.ledger = state, ledger
        self.store = store
        self.directory = directory
        self.drivers = drivers
        self.started_at_ms = self.clock.now_ms()
        self.payloads = Payloads()
        self.raw_classes: dict[Hashable, ClassId] = {}
        """Classes by the form in which jobs name them; cleared when a pool changes, since each was checked against the pools."""
        self.placer = Placer(ageing=settings.ageing)
        self.preemptor = Preemptor()
        self.planning = Planning()
        self.sharing = SharingSettings(ageing=settings.ageing)
        """As it is in force; `control/sharing.py` changes it."""
        self.backlog = Backlog.starting(
            state, jobs_max=settings.queued_jobs_per_user, bytes_max=settings.queued_bytes_per_user
        )
        self.recorder = Recorder() if settings.observations_bytes_max else None
        self.events = EventBus()
        self.demand_changed, self.workers_changed = asyncio.Event(), asyncio.Event()
        self.jobs_ended, self.batches_ended = Waiters(), Waiters()
        self.output_came = Waiters()
        """By job."""
        self.closing = False
        self.bells: dict[str, asyncio.Event] = {}
        """By worker: rung when it is to be told something."""
        self._on_fatal = on_fatal
        self._gathered = Changes()
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._busy = self._scheduled = self._asked = False
        self._over: BaseException | None = None
        """Why nothing of this memory becomes durable any more."""
        self._sweeps: set[asyncio.Task[None]] = set()

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        """Hand over; the answer is a future shared with others that ends when the changes are durable."""
        if self._over is None:
            self._gathered.absorb(changes)
            self._asked = True
            if not self._busy and not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._hand_over)
        return asyncio.shield(self._future)

    @contextmanager
    def change(self, changes: Changes) -> Iterator[Changes]:
        """A synchronous step that fills `changes`. Refusals, and errors in checks, come before anything is changed; an error after that
        leaves memory ahead of what will ever be written, and ends the server as one in the hand-over does."""
        before = mark(self.state, changes)
        try:
            yield changes
        except Exception as error:
            if mark(self.state, changes) != before:
                self._over = error
                self._on_fatal(error)
            raise

    def gather(self, changes: Changes) -> None:
        """Let changes travel with the next commit; for what is of no use alone."""
        self._gathered.absorb(changes)

    def settle(self) -> "asyncio.Future[None]":
        """Durable once everything handed over so far is."""
        return self.commit(Changes())

    def take_in_work(self) -> None:
        """Asked before anything new is accepted. Raises StoreTroubled."""
        trouble = self.store.trouble
        if trouble is not None:
            raise StoreTroubled(trouble)

    async def read(self, query: Callable[[Connection], Any]) -> Any:
        """Run a query beside the writer, on a connection of its own."""
        return await self.store.read(query)

    def _hand_over(self) -> None:
        self._scheduled = self._asked = False
        changes, self._gathered = self._gathered, Changes()
        future, self._future = self._future, asyncio.get_running_loop().create_future()
        if self._over is not None:
            future.set_exception(RuntimeError(f"the server is ending: {self._over}"))
            return
        try:
            self.placer.run(self.state, changes, self.clock.now_ms())
            if self.placer.more:
                asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self.settle)
            flush(self.state, changes)
            book(self.ledger, changes)
        except Exception as error:
            self._over = error
            self._on_fatal(error)  # memory is wrong from here on, and no call may be answered from it
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
            self._over = error
            for waiting in (future, self._future):  # also those who came meanwhile
                if not waiting.done():
                    waiting.set_exception(error)
                    waiting.exception()  # not everybody waits for an answer
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
                batch = int(record.object.partition("/")[2])
                self.payloads.forget(batch)
                self.batches_ended.ring(batch)
            elif record.kind == "batch.cancelled":
                self.jobs_ended.ring_all()  # some of its jobs have ended without a word of their own
            elif record.kind.startswith("worker."):
                self.workers_changed.set()

    def sweep(self, batch: int, at_ms: int) -> None:
        """Mark the queued jobs of a cancelled batch one bounded piece at a time, between other commits."""
        self.payloads.drop(batch)
        keep = [class_id for class_id, job_class in self.state.classes.items() if job_class.always_run]

        async def run() -> None:
            more, pause = True, SWEEP_RETRY_S
            while more:
                try:
                    more = await self.store.call(
                        lambda connection: sweep_batch(connection, batch, at_ms, keep)
                    )
                except StoreDown:
                    return  # the server ends, and the next start looks after them
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
        self.output_came.ring_all()

    async def close(self) -> None:
        """Everything gathered is written, then the store is let go; one that is in trouble is not waited for without end. After a fault
        of ours only what was handed over before it is."""
        if self._over is None:
            done, _ = await asyncio.wait({self.settle()}, timeout=CLOSE_S)
            for each in done:
                each.exception()  # whoever waits for it has heard it
        self.planning.close()
        self.calls.close()
        await self.store.close()
