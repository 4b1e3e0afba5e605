"""A batch with dependencies, end to end: chains of 50 no-op jobs, and fans in which one job starts 498 and another one follows them.

Half of the jobs are in chains, half in fans. They run in the agents without a process of their own, as those of `noop-jobs`.
"""

from bench.bench import Bench
from bench.figures import Figure
from bench.server.jobs import bodies, figures_of, noop, repeated_batches

CHAIN = 50
FAN = 500


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    jobs = graph(sizes.graph_jobs)
    calls = bodies(jobs, sizes.bulk_per_call)
    async with bench.world() as world:
        runs = await repeated_batches(world, calls, len(jobs), sizes.runs)
    return figures_of("graphs", runs)


def graph(count: int) -> list[dict[str, object]]:
    """At least one fan, and as many chains as make about as many jobs."""
    jobs: list[dict[str, object]] = []

    def add(*parents: int) -> int:
        jobs.append({**noop("work", len(jobs)), "parents": parents})
        return len(jobs) - 1

    fans = max(1, count // 2 // FAN)
    for _ in range(fans * FAN // CHAIN):
        last = add()
        for _ in range(CHAIN - 1):
            last = add(last)
    for _ in range(fans):
        first = add()
        middle = [add(first) for _ in range(FAN - 2)]
        add(*middle)
    return jobs
