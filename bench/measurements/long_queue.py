"""A million queued jobs against ten: two servers side by side, measured in turn, so that what disturbs one disturbs both.

The queue waits for a pool without workers while other jobs come and run. Memory is the server's own, without the pages of the
database that SQLite maps.
"""

import statistics
from collections.abc import Callable, Sequence

from bench.bench import Bench
from bench.figures import Figure, median_of
from bench.measurements import submit_to_start
from bench.measurements.single_submits import submit_all
from bench.server.jobs import bodies, figures_of, noop, run_batch, submit_batch
from bench.server.usage import private_bytes
from bench.server.world import Run, World

NAME = "long-queue"


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    async with bench.world() as near, bench.world() as far:
        for world in (near, far):  # both have worked before anything is compared
            await run_batch(
                world, bodies([noop("work", n) for n in range(sizes.noop_jobs)], sizes.bulk_per_call)
            )
        await _fill(near, sizes.short_queue, sizes.bulk_per_call)
        memory = await _fill_and_weigh(bench, far)
        noops = await _noop_figures(bench, near, far)
        submits = await _submit_figures(bench, near, far)
        waits = await submit_to_start.latencies(far, sizes.latency_jobs)
    return [*memory, *noops, *submits, *submit_to_start.figures(NAME, "submit-to-start ", waits)]


async def _fill_and_weigh(bench: Bench, world: World) -> list[Figure]:
    jobs, half = bench.sizes.long_queue, bench.sizes.long_queue // 2
    bench.say(f"  submitting {jobs:,} jobs")
    before = private_bytes(world.server)
    await _fill(world, half, bench.sizes.bulk_per_call)
    between = private_bytes(world.server)
    await _fill(world, jobs - half, bench.sizes.bulk_per_call)
    after = private_bytes(world.server)
    unit, second = "bytes/job", "memory, second half"
    return [
        Figure(
            measurement=NAME,
            name="memory",
            unit=unit,
            value=(after - before) / jobs,
            note=f"{jobs:,} jobs, caches in it",
        ),
        Figure(measurement=NAME, name=second, unit=unit, value=(after - between) / (jobs - half)),
    ]


async def _fill(world: World, jobs: int, per_call: int) -> None:
    """In batches of ten calls; bodies are made on the way, so that this process stays small."""
    step = per_call * 10
    for start in range(0, jobs, step):
        some = [noop("later", number) for number in range(start, min(jobs, start + step))]
        await submit_batch([world.caller], bodies(some, per_call))


async def _noop_figures(bench: Bench, near: World, far: World) -> list[Figure]:
    sizes = bench.sizes
    calls = bodies([noop("work", number) for number in range(sizes.noop_jobs)], sizes.bulk_per_call)
    short: list[Run] = []
    long: list[Run] = []
    for turn in range(sizes.runs + 1):
        for world, runs in ((near, short), (far, long)) if turn % 2 else ((far, long), (near, short)):
            runs.append(await world.metered(sizes.noop_jobs, run_batch(world, calls)))
    return [
        _ratio("no-op CPU against a short queue", short[1:], long[1:], lambda run: run.cpu.all),
        _ratio("no-op wall time against a short queue", short[1:], long[1:], lambda run: run.wall_s),
        *figures_of(NAME, long[1:], prefix="no-op "),
    ]


async def _submit_figures(bench: Bench, near: World, far: World) -> list[Figure]:
    jobs = bench.sizes.single_jobs
    callers = {
        world.url: [await world.another_caller() for _ in range(bench.sizes.single_clients)]
        for world in (near, far)
    }
    short: list[Run] = []
    long: list[Run] = []
    for _ in range(bench.sizes.runs + 1):
        for world, runs in ((near, short), (far, long)):
            runs.append(await world.metered(jobs, submit_all(callers[world.url], "work", jobs)))
    return [_ratio("single submit CPU against a short queue", short[1:], long[1:], lambda run: run.cpu.all)]


def _ratio(name: str, short: Sequence[Run], long: Sequence[Run], part: Callable[[Run], float]) -> Figure:
    """Of medians; each pair of runs for the spread."""
    pairs = [part(there) / part(here) for here, there in zip(short, long, strict=True)]
    value = statistics.median(map(part, long)) / statistics.median(map(part, short))
    figure = median_of(NAME, name, "×", pairs)
    return Figure(measurement=NAME, name=name, unit="×", value=value, runs=figure.runs)
