"""The jobs that are submitted, and the two ways to submit them. Used by the measurements.

Bodies are made before the clock starts. Each job has an argument of its own, as the jobs of a real array do.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from bench.figures import Figure, median_of
from bench.server.calls import Caller
from bench.server.world import Run, World
from herder.cli.shell.exit_codes import CommandError

WAIT_S = 30


def noop(pool: str, number: int) -> dict[str, object]:
    """A job that starts no process."""
    return {"command": ["noop", str(number)], "runtime": "noop", "cpu": "1m", "memory": "1Mi", "pool": pool}


def true(number: int) -> dict[str, object]:
    """A real process. Eight of them fit on a worker at a time."""
    return {"command": ["true", str(number)], "cpu": "250m", "memory": "64Mi", "pool": "work"}


def bodies(jobs: Sequence[dict[str, object]], per_call: int) -> list[bytes]:
    """Of calls that add jobs to a batch."""
    return [
        msgspec.json.encode({"jobs": jobs[start : start + per_call]})
        for start in range(0, len(jobs), per_call)
    ]


async def submit_batch(callers: Sequence[Caller], calls: Sequence[bytes]) -> int:
    """Open a batch, fill it over all connections, commit it; answers its number."""
    batch = (await callers[0].ask("POST", "/batches", {}))["id"]
    left = list(reversed(calls))

    async def fill(caller: Caller) -> None:
        while left:
            await caller.call("POST", f"/batches/{batch}/jobs", left.pop())

    await asyncio.gather(*(fill(caller) for caller in callers))
    await callers[0].call("POST", f"/batches/{batch}/commit")
    return int(batch)


async def run_batch(world: World, calls: Sequence[bytes]) -> None:
    """Submit and wait until all have succeeded."""
    batch = await submit_batch([world.caller], calls)
    state = ""
    while state in ("", "open", "running"):
        state = (await world.caller.ask("GET", f"/batches/{batch}/wait?timeout_s={WAIT_S}"))["state"]
    if state != "succeeded":
        some = (await world.caller.ask("GET", f"/jobs?batch={batch}&limit=5"))["items"]
        ends = [f"{job['state']} {job['cause']} {job['exit_code']} {job['message']}" for job in some]
        raise CommandError(f"batch {batch} {state}: {'; '.join(ends)}")


async def repeated_batches(world: World, calls: Sequence[bytes], jobs: int, runs: int) -> list[Run]:
    """The first one warms up and does not count."""
    done = [await world.metered(jobs, run_batch(world, calls)) for _ in range(runs + 1)]
    return done[1:]


def figures_of(measurement: str, runs: Sequence[Run], *, prefix: str = "") -> list[Figure]:
    """Rate, and CPU per job by process."""

    def per_job(part: str) -> list[float]:
        return [getattr(run.cpu, part) / run.jobs * 1e6 for run in runs]

    rates = [run.jobs / run.wall_s for run in runs]
    figures = [median_of(measurement, f"{prefix}rate", "jobs/s", rates)]
    figures.append(median_of(measurement, f"{prefix}CPU, all processes", "µs/job", per_job("all")))
    for part in ("server", "agents", "client", "store"):
        used = per_job(part)
        if any(used):
            figures.append(median_of(measurement, f"{prefix}CPU, {part}", "µs/job", used))
    return figures
