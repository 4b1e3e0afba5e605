"""Single submits: clients that each send one job, wait for the answer (it is durable then) and send the next.

First to a pool without workers: the submission alone. Then with agents that run the jobs meanwhile, as in life.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from bench.bench import Bench
from bench.figures import Figure
from bench.server.calls import Caller
from bench.server.jobs import figures_of, noop


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    figures: list[Figure] = []
    async with bench.world() as world:
        callers = [await world.another_caller() for _ in range(sizes.single_clients)]
        for pool, prefix in (("later", ""), ("work", "while they run: ")):
            runs = [
                await world.metered(sizes.single_jobs, submit_all(callers, pool, sizes.single_jobs))
                for _ in range(sizes.runs + 1)
            ]
            figures += figures_of("single-submits", runs[1:], prefix=prefix)
    return figures


async def submit_all(callers: Sequence[Caller], pool: str, jobs: int) -> None:
    left = [msgspec.json.encode(noop(pool, number)) for number in range(jobs)]

    async def client(caller: Caller) -> None:
        while left:
            await caller.call("POST", "/jobs", left.pop())

    await asyncio.gather(*(client(caller) for caller in callers))
