"""No-op jobs end to end: from the first byte of the submission until the submitter is told that the last job has succeeded.

They run in the agents without a process of their own: what is measured is Herder, not fork and exec.
"""

from bench.bench import Bench
from bench.figures import Figure
from bench.server.jobs import bodies, figures_of, noop, repeated_batches


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    calls = bodies([noop("work", number) for number in range(sizes.noop_jobs)], sizes.bulk_per_call)
    async with bench.world() as world:
        runs = await repeated_batches(world, calls, sizes.noop_jobs, sizes.runs)
    return figures_of("noop-jobs", runs)
