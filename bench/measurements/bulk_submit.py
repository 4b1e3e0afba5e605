"""Bulk submit: a batch filled in calls of 10,000 jobs until it is committed. Nothing runs: the pool has no workers."""

from bench.bench import Bench
from bench.figures import Figure
from bench.server.jobs import bodies, figures_of, noop, submit_batch


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    calls = bodies([noop("later", number) for number in range(sizes.bulk_jobs)], sizes.bulk_per_call)
    async with bench.world() as world:
        callers = [await world.another_caller() for _ in range(sizes.bulk_clients)]
        runs = [
            await world.metered(sizes.bulk_jobs, submit_batch(callers, calls)) for _ in range(sizes.runs + 1)
        ]
    return figures_of("bulk-submit", runs[1:])
