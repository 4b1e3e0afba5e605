"""The server's loops on virtual time, with providers that go wrong: a store that is written at once, and calls without threads.

What a test asserts is what a person would see: workers by state, events, and the machines that the provider holds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from herder.control import driver_admin
from herder.control.auth import Directory, Principal, Role
from herder.control.booking import read_ledger
from herder.control.core import Core
from herder.control.core_settings import CoreSettings
from herder.control.recover import recover
from herder.control.supervise import supervise
from herder.drivers.pretend import PretendDriver, PretendSettings, PretendWorld
from herder.engine.invariants import violations
from herder.engine.worker import activated, claim, seen, terminate
from herder.model.changes import Changes
from herder.model.driver import Driver, DriverContext, OutcomeUnknown
from herder.model.ids import PlanNumber, PoolName, UserName, WorkerName
from herder.model.money import PicoUsd
from herder.model.plan import CreateWorker, Reason, ReasonKind
from herder.model.resources import Resources
from herder.model.worker import WorkerSpec
from herder.ports.calls import CallsReport
from herder.server.runtime import LOOPS
from herder.store.tables import events, workers
from herder.wire.drivers import DriverAction
from tests.support.engine_world import fresh_store, write

_T = TypeVar("_T")
T0_MS = 1_700_000_000_000
ANN = Principal(UserName("ann"), Role.ADMINISTRATOR)
BY_HAND = Reason(kind=ReasonKind.BY_HAND, text="by hand")


class LoopClock:
    """The event loop's time, which a test's loop lets pass without waiting."""

    def now_ms(self) -> int:
        return T0_MS + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)


class StoreAtOnce:
    """Every commit is durable when it is handed over."""

    def __init__(self) -> None:
        self.engine = fresh_store()
        self.commits = self.rows = 0

    def commit(self, changes: Changes) -> "asyncio.Future[None]":
        write(self.engine, changes)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def call(self, work: Callable[[Connection], _T]) -> "asyncio.Future[_T]":
        done = asyncio.get_running_loop().create_future()
        with self.engine.begin() as connection:
            done.set_result(work(connection))
        return done

    async def read(self, query: Callable[[Connection], _T]) -> _T:
        with self.engine.connect() as connection:
            return query(connection)

    async def close(self) -> None:
        return


@dataclass(slots=True, kw_only=True)
class Trouble:
    """What the next `times` calls of a verb meet. `how`: refused (`error`), hung, lost (acted, and the answer never came), doubled, late
    (acts long after its deadline)."""

    verb: str
    how: str
    error: Exception | None = None
    times: int = 1


class CallsInTime:
    """Calls without threads: an answer takes a tenth of a second, and a call that hangs lasts until its deadline."""

    def __init__(self) -> None:
        self.troubles: dict[str, list[Trouble]] = {}
        self.log: list[tuple[str, str, str]] = []

    def trouble(self, driver: str, trouble: Trouble) -> None:
        self.troubles.setdefault(driver, []).append(trouble)

    async def run(
        self, driver: str, verb: str, work: Callable[[], _T], *, deadline_s: float, worker: str = ""
    ) -> _T:
        self.log.append((driver, verb, worker))
        trouble = self._due(driver, verb)
        if trouble is None:
            await asyncio.sleep(0.1)
            return work()
        if trouble.how == "refused":
            await asyncio.sleep(0.1)
            assert trouble.error is not None
            raise trouble.error
        if trouble.how == "doubled":
            work()
            await asyncio.sleep(0.1)
            return work()
        if trouble.how == "lost":
            work()
        elif trouble.how == "late":
            asyncio.get_running_loop().call_later(deadline_s + 45, work)
        await asyncio.sleep(deadline_s)
        raise OutcomeUnknown(f"{verb} was not answered within {deadline_s:g} s")

    def _due(self, driver: str, verb: str) -> Trouble | None:
        for trouble in self.troubles.get(driver, []):
            if trouble.verb in (verb, "*"):
                trouble.times -= 1
                if not trouble.times:
                    self.troubles[driver].remove(trouble)
                return trouble
        return None

    def report(self, driver: str) -> CallsReport:
        return CallsReport(places=8)

    def close(self) -> None:
        return


class Fleet:
    """One server with a few providers. `start` and `crash` as often as a test likes; providers live on."""

    def __init__(self, *names: str, settings: PretendSettings | None = None, **core: Any) -> None:
        self.clock, self.calls, self.store = LoopClock(), CallsInTime(), StoreAtOnce()
        self.worlds = {name: PretendWorld(self.clock.now_ms) for name in names or ("cloud",)}
        self.settings = settings or PretendSettings()
        self._core_settings = core
        self._tasks: list[asyncio.Task[None]] = []
        self.start()

    @property
    def world(self) -> PretendWorld:
        return next(iter(self.worlds.values()))

    def start(self, *, without: Sequence[str] = ()) -> None:
        """`without`: drivers that were taken out of the settings."""
        with self.store.engine.connect() as connection:
            state, directory, _ = recover(connection, self.clock.now_ms())
            ledger = read_ledger(connection)
        drivers: dict[str, Driver] = {
            name: PretendDriver(self.settings, world, DriverContext(name=name))
            for name, world in self.worlds.items()
            if name not in without
        }
        settings = CoreSettings(
            server_url="http://server", installation="test", secret="s", **self._core_settings
        )
        self.core = Core(
            settings=settings,
            state=state,
            ledger=ledger,
            store=self.store,
            directory=directory or Directory(),
            drivers=drivers,
            on_fatal=lambda error: None,
            clock=self.clock,
            calls=self.calls,
        )
        changes = Changes()
        driver_admin.note_missing(self.core, changes, self.clock.now_ms())
        self.core.commit(changes)
        self._tasks = [
            asyncio.create_task(supervise(self.core, name, LOOPS[name])) for name in ("launch", "sweep")
        ]

    async def crash(self, *, without: Sequence[str] = ()) -> None:
        """What was not durable is forgotten."""
        await self.close()
        self.start(without=without)
        await self.core.settle()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what people and planner do

    def want(self, *names: str, driver: str | None = None) -> None:
        changes = Changes()
        for name in names:
            spec = WorkerSpec(
                name=WorkerName(name),
                pool=PoolName("p"),
                template="t",
                driver=driver or next(iter(self.worlds)),
                allocatable=Resources(1000, 1024),
                slots=4,
                price_pico_per_hour=PicoUsd(1000),
                plan=PlanNumber(1),
            )
            action = CreateWorker(spec=spec, expires_at_ms=None, reason=BY_HAND)
            claim(self.core.state, changes, action, self.clock.now_ms())
        self.core.workers_changed.set()
        self.core.commit(changes)

    def end(self, *names: str) -> None:
        changes = Changes()
        for name in names:
            worker = self.core.state.workers[WorkerName(name)]
            terminate(self.core.state, changes, worker, BY_HAND, self.clock.now_ms())
        self.core.workers_changed.set()
        self.core.commit(changes)

    def join(self, *names: str) -> None:
        """Their agents call for the first time."""
        changes = Changes()
        for name in names:
            worker = self.core.state.workers[WorkerName(name)]
            assert activated(self.core.state, changes, worker, f"t-{name}", "n", self.clock.now_ms())
        self.core.commit(changes)

    def hear(self, *names: str) -> None:
        changes = Changes()
        for name in names:
            seen(self.core.state, changes, self.core.state.workers[WorkerName(name)], self.clock.now_ms())

    async def decide(self, verb: str, driver: str, **body: Any) -> str:
        """freeze, unfreeze or forget, by ann."""
        changes, act = Changes(), getattr(driver_admin, verb)
        more = {"dry_run": False} if verb == "forget" else {}
        done = act(self.core, ANN, driver, DriverAction(**body), changes, self.clock.now_ms(), **more)
        await self.core.commit(changes)
        return str(done.text)

    # --- what people see

    def states(self) -> dict[str, str]:
        """Of all workers that ever were, as the store has them."""
        with self.store.engine.connect() as connection:
            found = {row.name: row.state for row in connection.execute(select(workers))}
        return defaultdict(str, found)

    def events(self, kind: str = "") -> list[str]:
        with self.store.engine.connect() as connection:
            rows = connection.execute(select(events).order_by(events.c.sequence)).all()
        return [row.text for row in rows if row.kind.startswith(kind)]

    def machines(self, driver: str | None = None) -> list[str]:
        world = self.worlds[driver] if driver else self.world
        return sorted(name for _, name in world.machines)

    async def until(self, condition: Callable[[], bool], limit_s: float = 900) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        while not condition():
            if loop.time() > deadline:
                raise AssertionError(f"{self.states()}, machines {self.machines()}, {self.events()[-5:]}")
            await asyncio.sleep(0.25)

    def check(self) -> None:
        assert violations(self.core.state) == []
