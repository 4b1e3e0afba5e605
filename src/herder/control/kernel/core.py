"""The kernel of a running server: engine state, hand-over to the store, and notifications after a commit.

Everything here runs on one event loop. A use case changes `state` by calling `engine/` functions with a `Changes`, then awaits
`commit(changes)`. While the store is busy, changes of many callers gather and are handed over together, after one placement
pass; answers and wake-ups leave only when the commit holds.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from herder.control.kernel.bootstrap_notes import BootstrapNotes
from herder.control.kernel.bounds.errors import StoreTroubled
from herder.control.kernel.clock import SteadyClock, SystemClock
from herder.control.kernel.driver_calls import DriverCalls
from herder.control.kernel.driver_notes import DriverNotes
from herder.control.kernel.intake_notes import IntakeNotes
from herder.control.kernel.jobs.backlog import Backlog
from herder.control.kernel.jobs.class_rows import put_classes
from herder.control.kernel.jobs.payload_cache import Payloads
from herder.control.kernel.jobs.usage_ledger import book, book_groups
from herder.control.kernel.outbox import Outbox
from herder.control.kernel.partial_change import mark
from herder.control.kernel.planner.planning_thread import Planning
from herder.control.kernel.settings import CoreSettings
from herder.control.kernel.tallies import Tallies
from herder.control.kernel.unknown_agents import UnknownAgents
from herder.control.kernel.waiting.event_bus import EventBus
from herder.control.kernel.waiting.waiters import Waiters
from herder.control.kernel.worker_leases import settle_ended
from herder.decide.eligibility.usable_offers import largest_memory_mib
from herder.engine.attempts import time_limits
from herder.engine.jobs.group_end import end_groups
from herder.engine.memory.bootstraps import BootstrapLife
from herder.engine.memory.dirty_rows import flush
from herder.engine.memory.state import EngineState
from herder.ledger.budgets.leases import Leases
from herder.ledger.totals import Totals
from herder.model.fleet.driver import Driver
from herder.model.fleet.driver_capabilities import Closes, rungs_of, steps_of
from herder.model.ids import BatchId, ClassId
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord
from herder.model.stored.service_records import CallbackRecord
from herder.model.values.phrases import clause
from herder.model.work.usage import moved
from herder.ports.bootstrap import Bootstrap
from herder.ports.callbacks import Sender
from herder.ports.calls import Calls
from herder.ports.clock import Clock
from herder.ports.cluster import Cluster
from herder.ports.intake import OpensIntake
from herder.ports.leadership import Alone, Leadership
from herder.ports.store import Store, StoreDown
from herder.scheduler.placement import Placer
from herder.scheduler.preemption import Preemptor
from herder.settings import SharingSettings
from herder.store.writing.cancelled_batches import sweep_batch
from herder.store.writing.flight_recorder import Recorder
from herder.store.writing.retention import forget_batch

if TYPE_CHECKING:
    from herder.control.access.tokens import Directory

log = logging.getLogger(__name__)

#: Between two tries to mark the jobs of a cancelled batch, when the database does not answer; doubled up to the longest.
SWEEP_RETRY_S = 0.5
SWEEP_RETRY_LONGEST_S = 30.0
#: Between two placement passes that look at different classes, when very many wait.
LOOK_AGAIN_S = 0.02
#: How long a server that stops waits until what it gathered is handed over; less when the store cannot be written anyway.
CLOSE_S, CLOSE_STUCK_S, STUCK_LOOK_S = 5.0, 1.5, 0.1
#: How long a retry of a batch may take from its reading to its commit.
KEEP_ROWS_MS = 5_000


def _known(
    state: EngineState, drivers: dict[str, Driver], bootstraps: Mapping[str, Bootstrap]
) -> dict[str, Driver]:
    """What the engine must know of each: it knows no driver and no bootstrap, nor how jobs fit into pools."""
    state.largest_memory_mib = lambda asks: largest_memory_mib(asks, state.pools.values())
    state.rungs = {name: rungs_of(driver) for name, driver in drivers.items()}
    state.driver_steps = {name: steps_of(driver) for name, driver in drivers.items()}
    before = state.bootstraps
    state.bootstraps = {name: before.get(name) or BootstrapLife() for name in bootstraps}
    for name, each in bootstraps.items():
        life = state.bootstraps[name]
        life.fingerprint, life.rungs = each.fingerprint, each.rungs
    return drivers


class Core:
    bootstrap_notes: dict[str, BootstrapNotes]
    """By bootstrap: what is known of it and of its workers' systems; in memory only."""
    intake_notes: dict[str, IntakeNotes]
    booking: asyncio.Lock
    """Of whoever changes what the ledger knows: use by day, reports, rates, closed months."""

    def __init__(
        self,
        *,
        settings: CoreSettings,
        state: EngineState,
        ledger: Totals,
        store: Store,
        directory: "Directory",
        drivers: dict[str, Driver],
        on_fatal: Callable[[BaseException], None],
        clock: Clock | None = None,
        calls: Calls | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        leadership: Leadership | None = None,
        clusters: Mapping[str, Cluster] | None = None,
        bootstraps: Mapping[str, Bootstrap] | None = None,
        sender: Sender | None = None,
        open_intake: OpensIntake | None = None,
    ) -> None:
        self.leadership: Leadership = Alone() if leadership is None else leadership
        self.clock = SteadyClock(SystemClock() if clock is None else clock)
        self.calls: Calls = DriverCalls(self.clock, places=settings.driver_calls) if calls is None else calls
        """The only way to a driver; everything but tests goes through `control/drivers/calling.py`."""
        self.driver_kinds: dict[str, str] = {}
        """By driver: which one it is; for people."""
        self.driver_notes: dict[str, DriverNotes] = {}
        """By driver: its last known condition; in memory only."""
        self.transport, self.settings, self.open_intake = transport, settings, open_intake
        """`transport`: how sources of metrics are asked, `open_intake`: queues of intakes; None: through sockets."""
        self.state, self.ledger, self.store, self.directory = state, ledger, store, directory
        self.unknown_agents = UnknownAgents()
        self.bootstraps, self.bootstrap_notes = dict(bootstraps or {}), {}
        self.drivers = _known(state, drivers, self.bootstraps)
        self.started_at_ms = self.clock.now_ms()
        self.tallies = Tallies(state.counts, self.started_at_ms)
        self.payloads, self.clusters, self.intake_notes = Payloads(), dict(clusters or {}), {}
        self.raw_classes: dict[Hashable, ClassId] = {}
        """Classes by the form in which jobs name them; cleared when a pool changes, since each was checked against the pools."""
        self.placer = Placer(ageing=settings.ageing)
        self.preemptor, self.planning = Preemptor(), Planning()
        self.sharing = SharingSettings(ageing=settings.ageing)
        """As it is in force; `control/pools/sharing.py` changes it."""
        self.backlog = Backlog.starting(
            state, jobs_max=settings.queued_jobs_per_user, bytes_max=settings.queued_bytes_per_user
        )
        self.recorder = Recorder() if settings.observations_bytes_max else None
        self.events, self.outbox = EventBus(), Outbox(sender)
        self.demand_changed, self.workers_changed = asyncio.Event(), asyncio.Event()
        #: By job, by batch, and by job.
        self.jobs_ended, self.batches_ended, self.output_came = Waiters(), Waiters(), Waiters()
        self.closing, self.rows_kept_until_ms, self.booking = False, 0, asyncio.Lock()
        self.wake_ups: dict[str, asyncio.Event] = {}
        """By worker: set when there is something for its next answer. `told_addresses`: of servers, as it was told them last."""
        self.told_addresses: dict[str, tuple[str, ...]] = {}
        self._on_fatal, self._gathered, self._context = on_fatal, Changes(), copy_context()
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._busy = self._scheduled = self._asked = False
        self._over: BaseException | None = None
        """Why nothing of this memory becomes durable any more."""
        self._sweeps: set[asyncio.Task[None]] = set()

    @property
    def budgets(self) -> Leases:
        return self.ledger.budgets

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of the servers that a worker or a machine may call, this one first."""
        own = self.settings.server_url
        return (own, *(each for each in self.leadership.addresses if each != own))

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        """Hand over; the answer is a future shared with others that ends when the changes are durable."""
        if self._over is None:
            self._gathered.absorb(changes)
            self._asked = True
            if not self._busy and not self._scheduled:
                self._scheduled = True  # for all that gather, not for the request or the worker of the first
                asyncio.get_running_loop().call_soon(self._hand_over, context=self._context)
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

    async def durable_within(self, future: "asyncio.Future[None]", limit_s: float, stuck_s: float) -> bool:
        """Whether a commit held in time. A store that cannot be written is waited for `stuck_s` at most. Raises nothing."""
        loop = asyncio.get_running_loop()
        give_up_at, sound_at = loop.time() + limit_s, loop.time()
        future.add_done_callback(_heard)
        while not future.done() and loop.time() < give_up_at:
            await asyncio.wait({future}, timeout=STUCK_LOOK_S)
            trouble = self.store.trouble
            if trouble is None or not trouble.stuck:
                sound_at = loop.time()
            elif loop.time() - sound_at >= stuck_s:
                break
        return future.done() and not future.cancelled() and future.exception() is None

    @contextmanager
    def no_change(self) -> Iterator[Changes]:
        """A dry run. One that changed something ends the server, as any error does that leaves memory ahead of the store."""
        with self.change(Changes()) as changes:
            before = mark(self.state, changes)
            yield changes
            if mark(self.state, changes) != before:
                raise RuntimeError("a dry run changed something")

    def gather(self, changes: Changes) -> None:
        """Let changes travel with the next commit; for what is of no use alone."""
        self._gathered.absorb(changes)

    def move_usage(self, by_ms: int) -> None:
        """The clock was set: what has ended and is not in the log of use yet goes with what is sampled there."""
        self._gathered.usage = [moved(each, by_ms) for each in self._gathered.usage]

    def settle(self) -> "asyncio.Future[None]":
        """Durable once everything handed over so far is."""
        return self.commit(Changes())

    def keep_rows(self) -> None:
        """Called before rows of what has ended are read, to be used with the next commit: housekeeping deletes none meanwhile."""
        self.rows_kept_until_ms = self.clock.monotonic_ms() + KEEP_ROWS_MS

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
            future.set_exception(RuntimeError(f"The server is stopping: {self._over}"))
            return
        try:
            now_ms = self.clock.now_ms()
            if self.state.timed:
                time_limits.look_before_placement(self.state, changes, now_ms)
            self.placer.run(self.state, changes, now_ms)
            if self.placer.more:
                asyncio.get_running_loop().call_later(LOOK_AGAIN_S, self.settle)
            book_groups(self.state, changes)
            end_groups(self.state, changes, now_ms)
            settle_ended(self.budgets, self.state, changes, now_ms)
            flush(self.state, changes)
            put_classes(changes)
            book(self.ledger, self.state, changes, now_ms)
        except Exception as error:
            self._over = error
            self._on_fatal(error)  # memory is wrong from here on, and no call may be answered from it
            future.set_exception(error)
            raise
        number, self.state.hand_over = self.state.hand_over, self.state.hand_over + 1
        if changes.empty:
            self._done(changes, future, number)
            return
        self._busy, self.tallies.begun_ms = True, self.clock.monotonic_ms()
        self.store.commit(changes).add_done_callback(
            lambda done: self._committed(done, changes, future, number)
        )

    def _committed(
        self, done: "asyncio.Future[None]", changes: Changes, future: "asyncio.Future[None]", number: int
    ) -> None:
        self._busy, error = False, done.exception()
        if error is not None:
            self._over = error
            for waiting in (future, self._future):  # also those who came meanwhile
                if not waiting.done():
                    waiting.set_exception(error)
                    waiting.exception()  # not everybody waits for an answer
            return
        self.tallies.note(self.state, changes, self.clock)
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
            wake_up = self.wake_ups.get(name)
            if wake_up is not None:
                wake_up.set()
        for job in changes.ended_jobs:
            self.payloads.take(job)  # of one that never started
            self.jobs_ended.notify(job)
        if CallbackRecord in changes.rows:
            self.outbox.due.set()
        events = changes.rows.get(EventRecord)
        if events:
            self._announce(list(events.values()))
        if self.state.fresh_demand or changes.jobs_new or events:
            self.demand_changed.set()
        if changes.sweeps:
            self._sweep_all(changes)

    def _announce(self, records: list[Any]) -> None:
        for record in records:
            self.events.publish(record)
            if record.kind == "batch.ended":
                batch = int(record.object.partition("/")[2])
                self.payloads.forget(batch)
                self.batches_ended.notify(batch)
            elif record.kind.startswith("worker."):
                self.workers_changed.set()

    def _sweep_all(self, changes: Changes) -> None:
        for batch, at_ms in changes.sweeps.items():
            self.sweep(batch, at_ms)
        self.jobs_ended.notify_all()  # some of their jobs have ended without a word of their own

    def sweep(self, batch: int, at_ms: int) -> None:
        """Mark the queued jobs of a cancelled batch, or of cancelled groups, one bounded piece at a time, between other commits."""
        life = self.state.batches.get(BatchId(batch))
        if life is None or life.cancelled:  # else only groups of it were cancelled
            self.payloads.drop(batch)
        keep = [class_id for class_id, job_class in self.state.classes.items() if job_class.always_run]
        self._in_pieces(partial(sweep_batch, batch=batch, at_ms=at_ms, keep_classes=keep), batch)

    def delete_batch(self, batch: int) -> None:
        """Delete the rows of a batch that nobody sees any more, likewise."""
        self.payloads.forget(batch)
        self._in_pieces(partial(forget_batch, batch=batch), batch)

    def _in_pieces(self, work: Callable[[Connection], bool], batch: int) -> None:
        async def run() -> None:
            more, pause = True, SWEEP_RETRY_S
            while more:
                try:
                    more = await self.store.call(work)
                except StoreDown:
                    return  # the server ends, and the next start looks after them
                except DBAPIError as error:  # its rows can wait, and the next start would look after them
                    log.warning("The jobs of batch %s are not all marked yet: %s.", batch, clause(error))
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, SWEEP_RETRY_LONGEST_S)

        task = asyncio.get_running_loop().create_task(run(), name=f"sweep-{batch}")
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)

    def shut_down(self) -> None:
        """The server is about to stop: whoever waits is answered now."""
        self.closing = True
        self.events.close()
        for wake_up in self.wake_ups.values():
            wake_up.set()
        self.jobs_ended.notify_all()
        self.batches_ended.notify_all()
        self.output_came.notify_all()

    async def close(self) -> None:
        """Everything gathered is written, then the store is let go; one that is in trouble is not waited for without end. After a fault
        of ours only what was handed over before it is."""
        if self._over is None:
            await self.durable_within(self.settle(), CLOSE_S, CLOSE_STUCK_S)
        for cluster in self.clusters.values():
            await cluster.close()
        for bootstrap in self.bootstraps.values():
            await bootstrap.close()
        self.planning.close()
        self.calls.close()
        for driver in self.drivers.values():
            if isinstance(driver, Closes):
                driver.close()
        await self.store.close()


def _heard(future: "asyncio.Future[None]") -> None:
    """No caller waits for it any more: asyncio must not report its error as never retrieved."""
    if not future.cancelled():
        future.exception()
