"""A thousand idle workers that hold their exchanges open, and two that work: what the crowd costs the server and its latency.

The crowd's machines are made by the pretend driver and run nothing; this process plays their agents with the agent's own code,
one task each, over HTTP: activation, a parked call, a report every beat.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bench import Bench
from bench.figures import Figure
from bench.measurements import submit_to_start
from bench.server.usage import private_bytes
from bench.server.world import START_LIMIT_S, World, ready
from herder.agent.environment.settings import AgentSettings
from herder.agent.main import live
from herder.control.kernel.clock import monotonic_s

NAME = "idle-workers"

SETTINGS = """
  crowd:
    driver: pretend
    templates: [{{name: crowd, cpu: 1, memory: 1Gi, price_per_hour: "0"}}]
    min_workers: 0
    max_workers: {workers}
    new_workers_per_cycle: {workers}
    idle_timeout: null
    default_eligible: false
drivers:
  pretend:
    kind: pretend
    settings: {{start_data_folder: {folder}}}
"""


async def measure(bench: Bench) -> list[Figure]:
    with TemporaryDirectory(prefix="start-data-", dir=bench.folder) as folder:
        return await _measure(bench, Path(folder))


async def _measure(bench: Bench, folder: Path) -> list[Figure]:
    workers = bench.sizes.idle_workers
    settings = SETTINGS.format(workers=workers, folder=json.dumps(str(folder)))
    async with bench.world(more_settings=settings) as world:
        alone = await _idle_cost(world, bench.sizes.idle_watch_s / 2)
        before = private_bytes(world.server)
        async with crowd(world, folder, workers):
            crowded = await _idle_cost(world, bench.sizes.idle_watch_s)
            after = private_bytes(world.server)
            waits = await submit_to_start.latencies(world, bench.sizes.latency_jobs)
    return [
        *submit_to_start.figures(NAME, "submit-to-start ", waits),
        _figure("server CPU with the crowd", "ms/s", crowded, f"{workers} workers"),
        _figure("server CPU without it", "ms/s", alone),
        _figure("memory", "KiB/worker", (after - before) / workers / 1024),
    ]


def _figure(name: str, unit: str, value: float, note: str = "") -> Figure:
    return Figure(measurement=NAME, name=name, unit=unit, value=value, note=note)


async def _idle_cost(world: World, watch_s: float) -> float:
    """CPU milliseconds of the server in a second."""
    before, began = world.cpu(), monotonic_s()
    await asyncio.sleep(watch_s)
    return world.cpu().since(before).server / (monotonic_s() - began) * 1000


@asynccontextmanager
async def crowd(world: World, folder: Path, workers: int) -> AsyncIterator[None]:
    """So many idle workers, all ready."""
    leave = asyncio.Event()
    lives: dict[str, asyncio.Task[object]] = {}
    await world.caller.ask("POST", "/pools/crowd/scale", {"workers": workers, "reason": "bench"})
    try:
        async with asyncio.timeout(START_LIMIT_S + workers / 20):
            while len(lives) < workers:
                await asyncio.sleep(0.1)
                for agent in _new_agents(folder, world.folder / "crowd", lives):
                    lives[agent.worker] = asyncio.create_task(live(agent, leave))
                    await asyncio.sleep(0)
            await ready(world.caller, "crowd", workers)
        yield
    finally:
        for task in lives.values():
            task.cancel()
        await asyncio.gather(*lives.values(), return_exceptions=True)


def _new_agents(folder: Path, work: Path, known: Container[str]) -> list[AgentSettings]:
    """Those of the machines that the driver has made since the last look."""
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.stem not in known:
            said = json.loads(path.read_text())
            found.append(AgentSettings(worker=path.stem, work_folder=work / path.stem, **said))
    return found
