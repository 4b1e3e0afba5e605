"""The whole world: its clock, provider, network, server, agents and people.

A test writes a story, a coroutine that is given the world, and hands it to `World.run`; `storm.py` is one that draws everything.
"""

import asyncio
import contextvars
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import httpx

from herder.control.kernel.core import Core
from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.world import PretendWorld
from herder.engine.memory.invariants import violations
from herder.engine.memory.state import WorkerLife
from herder.model.fleet.pool import PoolSpec
from herder.model.work.job import JobState
from herder.settings.sections.server import MetricSource
from tests.simulation.world.agents import Machines
from tests.simulation.world.calls import VirtualCalls
from tests.simulation.world.clock import VirtualClock
from tests.simulation.world.loop import VirtualLoop
from tests.simulation.world.network import Wire
from tests.simulation.world.people import People
from tests.simulation.world.plan import CALM, POOLS, Dice, Trouble
from tests.simulation.world.server import Server
from tests.simulation.world.store import VirtualStore
from tests.support.engine_world import fresh_store

_T = TypeVar("_T")

TOKENS = {name: f"token-of-{name}" for name in ("root", "ann", "bob", "cyd", "dan")}


class World:
    def __init__(
        self,
        seed: int = 1,
        *,
        odds: Trouble = CALM,
        pools: tuple[PoolSpec, ...] = POOLS,
        sharing: Mapping[str, Any] | None = None,
        boot_s: float = 12.0,
        create_s: float = 0.0,
        delete_s: float = 0.0,
        metric_sources: tuple[MetricSource, ...] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.dice = Dice(random.Random(seed), odds)
        self.engine = fresh_store()
        self.provider = PretendWorld(self.clock.true_ms)
        self.wire = Wire(self.dice, self.trace)
        self.machines = Machines(self.loop, self.clock, self.provider, self.wire, self.dice)
        self.calls = VirtualCalls(self.dice, self.trace, self.machines.compare)
        self.people = People(self.wire, self.dice, TOKENS)
        self.server: Server | None = None
        self.stats: Counter[str] = Counter()
        self._pools, self._sharing = pools, sharing or {}
        self._metrics = metric_sources, transport
        self._settings = PretendSettings(
            create_s=create_s, delete_s=delete_s, boot_s=boot_s, boot_spread=0.9, machines_most=8
        )
        self._hash = hashlib.sha256()
        self._lives = 0
        self._crashes: list[BaseException] = []

    def trace(self, *what: object) -> None:
        """One event of the run: two runs with one seed have the same ones."""
        self._hash.update(repr((round(self.loop.time(), 6), what)).encode())

    @property
    def fingerprint(self) -> str:
        return self._hash.hexdigest()

    def run(self, story: Callable[["World"], Coroutine[Any, Any, _T]]) -> _T:
        """Start a server, let the story happen, check what must always hold, clear away."""
        try:
            answer = self.loop.run_until_complete(self._run(story))
            self.check()
        finally:
            self.loop.clear_away()
            self.engine.dispose()
        return answer

    async def _run(self, story: Callable[["World"], Coroutine[Any, Any, _T]]) -> _T:
        await self.start()
        beside = asyncio.ensure_future(self.machines.look())
        try:
            return await story(self)
        finally:
            beside.cancel()
            if self.server is not None:
                self.stop_server()

    def check(self) -> None:
        """Nothing got past the application, and the rules of memory held whenever they were looked at."""
        for error in self._crashes:
            raise error

    # --- the server

    @property
    def core(self) -> Core:
        assert self.server is not None, "no server is up"
        return self.server.core

    async def start(self) -> None:
        """A server from the rows."""
        self._lives += 1
        host = f"server {self._lives}"
        self.trace("start", host)
        await self.loop.begin(host, self._begin(host))

    async def _begin(self, host: str) -> None:
        store = VirtualStore(self.engine, self.dice, self.trace, lambda error: self._fatal(host, error))
        server = Server(
            host,
            self.loop,
            self.engine,
            store,
            clock=self.clock,
            calls=self.calls,
            provider=self.provider,
            settings=self._settings,
            metric_sources=self._metrics[0],
            transport=self._metrics[1],
            on_bug=self._crashes.append,
        )
        self.server = server
        await server.start(self._pools, self._sharing, TOKENS)
        self.wire.server = server.endpoint

    def _fatal(self, host: str, error: BaseException) -> None:
        """The real server ends, and whoever looks after it starts another."""
        self.stats["store failures"] += 1
        self.loop.call_soon(self._restart_after, host, context=contextvars.Context())

    def _restart_after(self, host: str) -> None:
        if self.server is not None and self.server.host == host:
            self.kill_server()
            self.loop.create_task(self.restart(1.0))

    async def restart(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self.server is None:
            await self.start()

    def kill_server(self) -> None:
        """SIGKILL: whatever was not written never was."""
        server = self.server
        assert server is not None
        self.trace("kill", server.host)
        self.stats["crashes"] += 1
        self._look_at(server)
        self.wire.server = self.server = None
        self.loop.kill_host(server.host)
        server.store.killed()
        server.endpoint.hang_up()

    def stop_server(self) -> None:
        """At the end of a story."""
        server = self.server
        assert server is not None
        self._look_at(server)
        self.wire.server = self.server = None
        self.loop.kill_host(server.host)
        server.endpoint.hang_up()

    def _look_at(self, server: Server) -> None:
        self._crashes += server.endpoint.crashes
        assert violations(server.core.state) == []

    # --- looking

    async def until(self, holds: Callable[[], bool], within_s: float = 300.0, what: str = "") -> None:
        end_s = self.loop.time() + within_s
        while not holds():
            assert self.loop.time() < end_s, f"not within {within_s:g} s: {what or holds}; {self.left()}"
            await asyncio.sleep(0.2)

    def worker(self) -> WorkerLife:
        """The only one there is."""
        (worker,) = self.core.state.workers.values()
        return worker

    def at_rest(self) -> bool:
        if self.server is None:
            return False
        state = self.server.core.state
        waiting = sum(state.counts[each] for each in JobState if not each.ended)
        return not (waiting or state.workers or self.provider.machines or self.server.core._sweeps)

    def left(self) -> str:
        if self.server is None:
            return "no server is up"
        state = self.server.core.state
        workers = {name: worker.state.value for name, worker in state.workers.items()}
        counts = {JobState(number).label: count for number, count in state.counts.items() if count}
        return f"{counts}, {workers}, machines {[name for _, name in self.provider.machines]}"
