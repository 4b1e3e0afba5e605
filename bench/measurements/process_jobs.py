"""`true` as a real process with the process runtime: scratch folder, limits, output, exit code. Bounded by fork and exec."""

from bench.bench import Bench
from bench.figures import Figure
from bench.server.jobs import bodies, figures_of, repeated_batches, true


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    calls = bodies([true(number) for number in range(sizes.process_jobs)], sizes.bulk_per_call)
    async with bench.world() as world:
        runs = await repeated_batches(world, calls, sizes.process_jobs, sizes.runs)
    return figures_of("process-jobs", runs)
