"""The whole world: its clock, providers, network, server, agents and people.

A test writes a story, a coroutine that takes the world, and passes it to `World.run`. The story of `run.py` draws everything for days.
"""

import asyncio
import contextvars
import hashlib
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import httpx

from herder.control.kernel.core import Core
from herder.drivers.kubernetes_jobs import KubernetesJobsSettings
from herder.drivers.pretend import StepEnd, open_pretend
from herder.drivers.pretend.driver import PretendDriver
from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.world import PretendWorld
from herder.engine.memory.invariants import violations
from herder.engine.memory.state import WorkerLife
from herder.model.fleet.creation import Step
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.pool import PoolSpec
from herder.model.stored.changes import Changes
from herder.model.work.job import JobState
from herder.ports.bootstrap import Bootstrap
from herder.ports.cluster import Cluster
from herder.simulate.chaos.actors.agents import Machines
from herder.simulate.chaos.actors.cluster import PlayedCluster
from herder.simulate.chaos.actors.people import People
from herder.simulate.chaos.actors.pod_agents import PodAgents
from herder.simulate.chaos.actors.receivers import Receivers
from herder.simulate.chaos.actors.server import INSTALLATION, Server, Surroundings
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import CALM, Trouble
from herder.simulate.chaos.faults.prices import PriceList
from herder.simulate.chaos.hosts.clocks import VirtualClock
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.simulate.chaos.ports.calls import VirtualCalls
from herder.simulate.chaos.ports.effects import Effects
from herder.simulate.chaos.ports.intake import PlayedQueue
from herder.simulate.chaos.ports.network import Wire
from herder.simulate.chaos.ports.store import memory_store
from herder.simulate.chaos.small_fleet import ONE_PROVIDER, POOLS

_T = TypeVar("_T")

TOKENS = {name: f"token-of-{name}" for name in ("root", "ann", "bob", "cyd", "dan")}
#: Events that are too frequent for a story.
NOISE = frozenset({"exchange", "commit"})
#: The newest events that are kept for the story of a violation.
STORY_MOST = 20_000


class World:
    def __init__(
        self,
        seed: int = 1,
        *,
        odds: Trouble = CALM,
        pools: tuple[PoolSpec, ...] = POOLS,
        sharing: Mapping[str, Any] | None = None,
        providers: Mapping[str, PretendSettings] | None = None,
        core_settings: Mapping[str, Any] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        own_clocks: bool = False,
        without: Collection[str] = (),
        pools_of_files: bool = True,
        cluster: bool = False,
        job_drivers: Mapping[str, KubernetesJobsSettings] | None = None,
        **provider: float,
    ) -> None:
        """`providers`: their settings by name of the driver; `provider`: changed settings of the only one. `own_clocks`: each machine has
        its own wall clock. `without`: kinds of faults that do not happen. `pools_of_files`: each start of the server applies the pools;
        otherwise only the first one does. `cluster`: there is a Kubernetes cluster, whose name is that of `actors/cluster.py`.
        `job_drivers`: those whose workers are Kubernetes Jobs there, by name."""
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.dice = Dice(seed, odds, without)
        self.engine = memory_store()
        self._settings = dict(providers or {"pretend": replace(ONE_PROVIDER, **provider)})  # type: ignore[arg-type]
        self.providers = {name: PretendWorld(self.clock.true_ms) for name in self._settings}
        self.provider = next(iter(self.providers.values()))
        self.wire = Wire(self.loop, self.dice, self.trace)
        self.kube: PlayedCluster | None = None
        if cluster:
            self.kube = PlayedCluster(self.loop, self.clock, self.dice, self.trace, INSTALLATION)
        self.machines = Machines(
            self.loop,
            self.clock,
            self.providers.values(),
            self.wire,
            self.dice,
            self.trace,
            own_clocks=own_clocks,
            kube=self.kube,
        )
        for each in self.providers.values():
            each.changed, each.step_ends = self.machines.compare, self._step_ends
        self.pod_agents = None if self.kube is None else PodAgents(self.kube, self.machines)
        self._job_drivers = dict(job_drivers or {})
        self.people = People(self.wire, self.dice, TOKENS)
        self.receivers = Receivers(self.dice, self.trace)
        self.queue = PlayedQueue(loop=self.loop, dice=self.dice, trace=self.trace)
        """Of the intakes of `core_settings`, which all have this one."""
        self._set_up(core_settings or {}, transport)
        self._pools, self._sharing = pools, sharing or {}
        self.prices = PriceList(tuple(pool for pool in pools if pool.driver == "cloud"))
        """Of the provider with zones and a spot market."""
        self._pools_of_files = pools_of_files
        self.driver_of_pool = {str(pool.name): pool.driver for pool in pools}

    def _set_up(self, core_settings: Mapping[str, Any], transport: httpx.AsyncBaseTransport | None) -> None:
        self.server: Server | None = None
        self.stale: Server | None = None
        """A server that another one has replaced and that does not know it yet."""
        self.stats: Counter[str] = Counter()
        self.written: list[Callable[[Changes], None]] = []
        """Called with each commit when it is durable."""
        self.dies: Callable[[str], bool] = lambda _what: False
        """Asked at each effect of a server: whether the server dies there."""
        self.ends: Callable[[Server], None] = check_memory
        """Called with each server just before it ends."""
        self.story: deque[tuple[float, tuple[object, ...]]] = deque(maxlen=STORY_MOST)
        self.effects = 0
        """Number of effects of the servers that have ended."""
        self.crashes: list[BaseException] = []
        """Errors that nothing handled."""
        self._around = Surroundings(
            loop=self.loop,
            clock=self.clock,
            dice=self.dice,
            engine=self.engine,
            trace=self.trace,
            acted=self.machines.compare,
            drivers=self._drivers,
            clusters=self._clusters,
            bootstraps=self._bootstraps,
            written=self._told,
            core_settings=core_settings,
            transport=transport,
            sender=self.receivers,
            queue=self.queue,
        )
        self._calls = VirtualCalls(self.clock, self.dice, self.trace, self.machines.compare)
        """Before the first server starts: takes the orders of a test."""
        self._hash = hashlib.sha256()
        self._lives = 0

    def trace(self, *what: object) -> None:
        """Record one event. Two runs with the same seed have the same events."""
        at_s = round(self.loop.now_s, 6)
        if what[0] not in NOISE:
            self.story.append((at_s, what))
        self._hash.update(repr((at_s, what)).encode())

    @property
    def fingerprint(self) -> str:
        return self._hash.hexdigest()

    def run(self, story: Callable[["World"], Coroutine[Any, Any, _T]]) -> _T:
        """Start a server, run the story, check what must always hold, and end everything."""
        try:
            answer = self.loop.run_until_complete(self._run(story))
            self.check()
        finally:
            if self.kube is not None:
                self.kube.running.close()
            self.loop.clear_away()
            self.engine.dispose()
        return answer

    async def _run(self, story: Callable[["World"], Coroutine[Any, Any, _T]]) -> _T:
        await self.start()
        try:
            return await story(self)
        finally:
            if self.server is not None:
                self.stop_server()

    def check(self) -> None:
        """Raise the first error that nothing handled."""
        if self.kube is not None and self.kube.running.failure is not None:
            raise self.kube.running.failure
        for error in self.crashes:
            raise error

    # --- the server

    @property
    def core(self) -> Core:
        assert self.server is not None, "no server is up"
        return self.server.core

    @property
    def calls(self) -> VirtualCalls:
        """Of the server that runs, or of the previous one."""
        return self._calls

    async def start(self) -> None:
        """Start a server, which reads the store."""
        self._lives += 1
        host = f"server {self._lives}"
        self.trace("server starts", host)
        task = self.loop.begin(host, self._begin(host))
        # If it dies while it starts, its task never ends.
        while not task.done() and self.loop.alive(host):
            await asyncio.sleep(0.05)
        if task.done():
            task.result()

    async def _begin(self, host: str) -> None:
        effects = Effects(
            loop=self.loop,
            host=host,
            dies=lambda what: self.dies(what),  # noqa: PLW0108 - asked anew each time: it may be replaced
            kill=lambda what: self._dies(host, what),
        )
        server = Server(
            host,
            self._around,
            effects,
            on_fatal=lambda error: self._fatal(host, error),
            on_bug=self.crashes.append,
        )
        server.calls.continues(self._calls)
        self._calls = server.calls
        self.server = server
        server.calls.keep_made = self._pools_of_files
        pools = self._pools if self._pools_of_files or not server.core.state.pools else ()
        await server.start(pools, self._sharing, TOKENS)
        self.wire.server = server.endpoint

    def _drivers(self) -> dict[str, Driver]:
        found: dict[str, Driver] = {
            name: open_pretend(settings, self.providers[name], self._context(name))
            for name, settings in self._settings.items()
        }
        for name, each in self._job_drivers.items():
            assert self.kube is not None, "Kubernetes Jobs need a cluster"
            found[name] = self.kube.jobs_driver(each, self._context(name))
        return found

    def _clusters(self) -> dict[str, Cluster]:
        return {} if self.kube is None else self.kube.clusters()

    def _bootstraps(self) -> dict[str, Bootstrap]:
        """Of one run of a server. This world has none."""
        return {}

    def _context(self, name: str) -> DriverContext:
        return DriverContext(name=name, installation=INSTALLATION, clock=self.clock)

    def _step_ends(self, worker: str, step: Step) -> StepEnd:
        odds = self.dice.odds
        if self.dice.happens("step fails", odds.step_fails):
            self.trace("step fails", worker, step.value)
            return StepEnd.FAILS
        if self.dice.happens("step stalls", odds.step_stalls):
            self.trace("step stalls", worker, step.value)
            return StepEnd.STALLS
        return StepEnd.DONE

    def change_provider(self, name: str, settings: PretendSettings) -> None:
        """From now on a provider has these settings, such as its capacity."""
        self._settings[name] = settings
        for server in (self.server, self.stale):
            driver = None if server is None else server.core.drivers.get(name)
            if isinstance(driver, PretendDriver):
                driver.settings = settings

    def provider_settings(self, name: str) -> PretendSettings:
        return self._settings[name]

    def _told(self, changes: Changes) -> None:
        for each in self.written:
            each(changes)

    def _fatal(self, host: str, error: BaseException) -> None:
        """A real server exits here, and its service manager starts it again."""
        self.stats["store failures"] += 1
        self.trace("server ends", host, type(error).__name__)
        self.loop.call_soon(self._restart_after, host, context=contextvars.Context())

    def _dies(self, host: str, what: str) -> None:
        """A server dies at an effect. What it still does in this turn has no effect."""
        self.trace("server dies at", host, what)
        if self.server is not None and self.server.host == host:
            self.kill_server()
            self._later(self.restart(1.0))
        else:
            self.kill_stale(host)

    def _restart_after(self, host: str) -> None:
        if self.server is not None and self.server.host == host:
            self.kill_server()
            self._later(self.restart(1.0))
        else:
            self.kill_stale(host)

    def _later(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.loop.create_task(coroutine, context=contextvars.Context())

    async def restart(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self.server is None:
            await self.start()

    def kill_server(self) -> None:
        """SIGKILL: what was not written is lost."""
        server = self.server
        assert server is not None
        self.trace("server is killed", server.host)
        self.stats["crashes"] += 1
        self.wire.server = self.server = None
        self._end(server)

    def kill_stale(self, host: str) -> None:
        if self.stale is not None and self.stale.host == host:
            stale, self.stale = self.stale, None
            self.wire.stale = None
            self.wire.with_stale.clear()
            self.trace("stale server ends", host)
            self._end(stale)

    async def replace_server(self) -> None:
        """A second server takes the store over. The first still runs and does not know it."""
        first = self.server
        assert first is not None
        if self.stale is not None:
            self.kill_stale(self.stale.host)
        self.stale, self.server = first, None
        self.wire.stale, self.wire.server = first.endpoint, None
        await self.start()

    def stop_server(self) -> None:
        """At the end of a story."""
        server = self.server
        assert server is not None
        self.wire.server = self.server = None
        self._end(server)
        if self.stale is not None:
            self.kill_stale(self.stale.host)

    def _end(self, server: Server) -> None:
        self.crashes += server.endpoint.crashes
        self.ends(server)
        self.effects += server.effects.count
        self.loop.kill_host(server.host)
        server.store.killed()
        server.endpoint.hang_up()

    # --- looking

    async def until(self, holds: Callable[[], bool], within_s: float = 300.0, what: str = "") -> None:
        end_s = self.loop.time() + within_s
        while not holds():
            assert self.loop.time() < end_s, f"not within {within_s:g} s: {what or holds}; {self.left()}"
            await asyncio.sleep(0.2)

    def worker(self) -> WorkerLife:
        """The only worker that exists."""
        (worker,) = self.core.state.workers.values()
        return worker

    def at_rest(self) -> bool:
        """Also in the store: nothing is on its way there."""
        if self.server is None:
            return False
        core = self.server.core
        state = core.state
        waiting = sum(state.counts[each] for each in JobState if not each.ended)
        machines = any(provider.machines for provider in self.providers.values())
        return not (waiting or state.workers or machines or core._sweeps or core._busy or core._scheduled)

    def left(self) -> str:
        if self.server is None:
            return "no server is up"
        state = self.server.core.state
        workers = {name: worker.state.value for name, worker in state.workers.items()}
        counts = {JobState(number).label: count for number, count in state.counts.items() if count}
        machines = [name for provider in self.providers.values() for _, name in provider.machines]
        return f"{counts}, {workers}, machines {machines}"


def check_memory(server: Server) -> None:
    found = violations(server.core.state)
    assert found == [], found
