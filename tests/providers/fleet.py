"""Several providers that go wrong, and the server's loops that call them, in the simulated world (its loop, clock, store and calls).

There are no agents and no planner: a test says which workers are wanted and which have called. What it asserts is what a person
would see: workers by state, events, and the machines that the provider holds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from herder.control.access.tokens import Directory, Principal, Role
from herder.control.drivers import driver_actions
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.kernel.settings import CoreSettings
from herder.control.recovery.recover import recover
from herder.control.recovery.supervision import supervise
from herder.drivers.pretend import PretendDriver, PretendSettings, PretendWorld
from herder.drivers.pretend.repairs import RepairingPretendDriver
from herder.engine.memory.invariants import violations
from herder.engine.workers.worker import activated, claim, seen, terminate
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PlanNumber, PoolName, UserName, WorkerName
from herder.model.planning.plan import CreateWorker, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.ports.bootstrap import Bootstrap
from herder.ports.cluster import Cluster
from herder.server.runtime import LOOPS
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import CALM
from herder.simulate.chaos.hosts.clocks import VirtualClock
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.simulate.chaos.ports.calls import VirtualCalls
from herder.simulate.chaos.ports.store import VirtualStore
from herder.store.rows.tables import events, workers
from herder.wire.api.drivers import DriverAction
from tests.support.engine_world import fresh_store

ANN = Principal(UserName("ann"), Role.ADMINISTRATOR)
BY_HAND = Reason(kind=ReasonKind.BY_HAND, text="by hand")


def _untraced(*_: object) -> None:
    """Runs are not compared."""


class Fleet:
    """One server with a few providers. `start` and `crash` as often as a test likes; providers live on."""

    def __init__(
        self,
        *names: str,
        settings: PretendSettings | None = None,
        clusters: Mapping[str, Cluster] | None = None,
        bootstraps: Mapping[str, Bootstrap] | None = None,
        loops: Sequence[str] = ("launch", "sweep"),
        **core: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop), "pytestmark = pytest.mark.virtual_time"
        self.clock, self.dice, self.engine = VirtualClock(loop), Dice(1, CALM), fresh_store()
        self.calls = VirtualCalls(self.clock, self.dice, _untraced, lambda: None)
        self.worlds = {name: PretendWorld(self.clock.true_ms) for name in names or ("cloud",)}
        self.settings = settings or PretendSettings()
        self._core_settings, self._clusters, self._loops = core, dict(clusters or {}), loops
        self._bootstraps = dict(bootstraps or {})
        self._tasks: list[asyncio.Task[None]] = []
        self._failures: list[BaseException] = []
        self.start()

    @property
    def world(self) -> PretendWorld:
        return next(iter(self.worlds.values()))

    def start(self, *, without: Sequence[str] = ()) -> None:
        """`without`: drivers that were taken out of the settings."""
        self.store = VirtualStore(self.engine, self.dice, _untraced, self._failures.append)
        with self.engine.connect() as connection:
            state, directory, _ = recover(connection, self.clock.now_ms())
            ledger = read_ledger(connection)
        kind = RepairingPretendDriver if self.settings.repairs else PretendDriver
        drivers: dict[str, Driver] = {
            name: kind(self.settings, world, DriverContext(name=name))
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
            on_fatal=self._failures.append,
            clock=self.clock,
            calls=self.calls,
            clusters=self._clusters,
            bootstraps=self._bootstraps,
        )
        changes = Changes()
        driver_actions.note_missing(self.core, changes, self.clock.now_ms())
        self.core.commit(changes)
        self._tasks = [asyncio.create_task(supervise(self.core, name, LOOPS[name])) for name in self._loops]

    async def crash(self, *, without: Sequence[str] = ()) -> None:
        """What was not durable is forgotten."""
        await self.close()
        self.store.killed()
        self.start(without=without)
        await self.core.settle()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what people and planner do

    async def want(self, *names: str, driver: str | None = None, **spec_of: Any) -> None:
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
                **spec_of,
            )
            action = CreateWorker(spec=spec, expires_at_ms=None, reason=BY_HAND)
            claim(self.core.state, changes, action, self.clock.now_ms())
        self.core.workers_changed.set()
        await self.core.commit(changes)

    async def end(self, *names: str) -> None:
        changes = Changes()
        for name in names:
            worker = self.core.state.workers[WorkerName(name)]
            terminate(self.core.state, changes, worker, BY_HAND, self.clock.now_ms())
        self.core.workers_changed.set()
        await self.core.commit(changes)

    async def join(self, *names: str) -> None:
        """Their agents call for the first time."""
        changes = Changes()
        for name in names:
            worker = self.core.state.workers[WorkerName(name)]
            assert activated(self.core.state, changes, worker, f"t-{name}", "n", self.clock.now_ms())
        await self.core.commit(changes)

    def hear(self, *names: str) -> None:
        changes = Changes()
        for name in names:
            seen(self.core.state, changes, self.core.state.workers[WorkerName(name)], self.clock.now_ms())

    async def decide(self, verb: str, driver: str, **body: Any) -> str:
        """freeze, unfreeze or forget, by ann."""
        changes, act = Changes(), getattr(driver_actions, verb)
        more = {"dry_run": False} if verb == "forget" else {}
        done = act(self.core, ANN, driver, DriverAction(**body), changes, self.clock.now_ms(), **more)
        await self.core.commit(changes)
        return str(done.text)

    # --- what people see

    def states(self) -> dict[str, str]:
        """Of all workers that ever were, as the store has them."""
        with self.engine.connect() as connection:
            found = {row.name: row.state for row in connection.execute(select(workers))}
        return defaultdict(str, found)

    def events(self, kind: str = "") -> list[str]:
        with self.engine.connect() as connection:
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
        assert self._failures == []
        assert violations(self.core.state) == []
