"""Herder as one of the peers: the server and its two agents that `make bench` measures, with the same jobs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

import herder
from bench.measurements.submit_to_start import latencies
from bench.peers.environment import Environment
from bench.peers.peer import Took, Work
from bench.server.jobs import bodies, noop, run_batch, true
from bench.server.world import World, running_world
from herder.control.kernel import clock

AGENTS = 2
PER_CALL = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningHerder:
    runner: "asyncio.Runner"
    world: World

    def run(self, work: Work, jobs: int) -> Took:
        if work is Work.START:
            began = clock.monotonic_s()
            waits = self.runner.run(latencies(self.world, jobs))
            return Took(wall_s=clock.monotonic_s() - began, waits_ms=tuple(waits))
        wanted = [noop("work", number) if work is Work.NOOP else true(number) for number in range(jobs)]
        calls = bodies(wanted, PER_CALL)
        began = clock.monotonic_s()
        self.runner.run(run_batch(self.world, calls))
        return Took(wall_s=clock.monotonic_s() - began)


@dataclass(frozen=True, slots=True, kw_only=True)
class Herder:
    """On one kind of store: each peer is compared with the Herder on its own."""

    store: str
    name = "Herder"

    @property
    def durable(self) -> str:
        kept = (
            "SQLite with synchronous=FULL"
            if self.store == "sqlite"
            else "PostgreSQL with synchronous_commit=on"
        )
        return f"job and result, in {kept}"

    def install(self, environment: Environment) -> str:
        return herder.__version__

    @contextmanager
    def running(
        self, environment: Environment, folder: Path, store_url: str | None
    ) -> Iterator[RunningHerder]:
        no_store: psutil.Process | None = None  # its CPU is counted with that of all processes
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            entered = running_world(folder, store_url, no_store, agents=AGENTS)
            world = runner.run(entered.__aenter__())
            try:
                yield RunningHerder(runner=runner, world=world)
            finally:
                runner.run(entered.__aexit__(None, None, None))
