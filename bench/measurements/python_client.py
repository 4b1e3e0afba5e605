"""The Python client: a call of `Executor` from `submit` to its value on a warm worker, and a batch of many jobs from `Batch()` to its commit.

Both are what a program of a person does, its own CPU included. Nothing of the batch runs: its pool has no workers.
"""

import asyncio

from bench.bench import Bench
from bench.figures import Figure, median_of, percentile
from bench.server.usage import peak_bytes
from bench.server.world import World
from herder.client import HerderClient
from herder.client.batch import Batch
from herder.client.executor import Executor
from herder.client.http.clock import sleep_s
from herder.control.kernel import clock

WARM_UP = 10
#: Until the forks that wait ahead are there again: a program that calls does something between two calls.
PAUSE_S = 0.01


async def measure(bench: Bench) -> list[Figure]:
    async with bench.world() as world:
        waits = await asyncio.to_thread(_calls, world, bench.sizes.python_calls)
        walls = await asyncio.to_thread(_batches, world, bench.sizes.client_jobs)
        peak = peak_bytes(world.server) / 2**20
    note = f"{bench.sizes.client_jobs:,} jobs"
    return [
        *(
            Figure(
                measurement="python-client",
                name=f"call p{percent}",
                unit="ms",
                value=percentile(waits, percent),
                note=f"{len(waits)} calls",
            )
            for percent in (50, 99)
        ),
        median_of("python-client", "batch", "s", walls, note),
        Figure(measurement="python-client", name="server memory, peak", unit="MiB", value=peak, note=note),
    ]


def _calls(world: World, count: int) -> list[float]:
    """Milliseconds of each."""
    waits = []
    with Executor(
        cpu="100m", memory="64Mi", pool="work", client=lambda: HerderClient(world.url, world.token)
    ) as executor:
        for number in range(WARM_UP + count):
            began = clock.monotonic_s()
            assert executor.submit(pow, number, 2).result(60) == number**2
            if number >= WARM_UP:
                waits.append((clock.monotonic_s() - began) * 1000)
            sleep_s(PAUSE_S)
    return waits


def _batches(world: World, count: int) -> list[float]:
    """Seconds, of one batch: a second one would find more in the store."""
    began = clock.monotonic_s()
    batch = Batch(
        default_cpu="100m",
        default_memory="64Mi",
        default_pool="later",
        client=lambda: HerderClient(world.url, world.token),
    )
    for number in range(count):
        batch.new_job().command(f"echo {number}")
    batch.submit()
    return [clock.monotonic_s() - began]
