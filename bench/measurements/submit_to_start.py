"""Submit to start: from the moment a client sends a job until an idle agent starts it, one job at a time.

Both ends are read from this machine's clock in whole milliseconds, so a single value may be off by one; the median of many
is not. Jobs are no-ops: what a process needs to come up is not in it.
"""

import asyncio
from datetime import datetime

import msgspec

from bench.bench import Bench
from bench.figures import Figure, percentile
from bench.server.jobs import noop
from bench.server.world import World
from herder.control.kernel.clock import now_ms

#: Between two jobs, varied so that no timer of the server is always met at the same moment.
PAUSES_S = (0.011, 0.017, 0.023, 0.031)
WARM_UP = 20
PAGE = 1000


async def measure(bench: Bench) -> list[Figure]:
    async with bench.world() as world:
        waits = await latencies(world, bench.sizes.latency_jobs)
    return figures("submit-to-start", "", waits)


def figures(measurement: str, prefix: str, waits: list[float]) -> list[Figure]:
    return [
        Figure(
            measurement=measurement,
            name=f"{prefix}p{percent}",
            unit="ms",
            value=percentile(waits, percent),
            note=f"{len(waits)} jobs",
        )
        for percent in (50, 99)
    ]


async def latencies(world: World, jobs: int) -> list[float]:
    """Milliseconds of each job, in the order of submission."""
    sent: dict[int, int] = {}
    for number in range(WARM_UP + jobs):
        body = msgspec.json.encode(noop("work", number))
        at_ms = now_ms()
        answer = msgspec.json.decode(await world.caller.call("POST", "/jobs", body))
        sent[answer["first_job"]] = at_ms
        await asyncio.sleep(PAUSES_S[number % len(PAUSES_S)])
    started = await _started(world, min(sent))
    return [started[job] - at_ms for job, at_ms in list(sent.items())[WARM_UP:]]


async def _started(world: World, oldest: int) -> dict[int, float]:
    """Of the jobs from `oldest` on, newest first as the server lists them."""
    found: dict[int, float] = {}
    after = ""
    while True:
        page = await world.caller.ask("GET", f"/jobs?pool=work&limit={PAGE}{after}")
        for job in page["items"]:
            if job["id"] < oldest:
                return found
            found[job["id"]] = datetime.fromisoformat(job["started_at"]).timestamp() * 1000
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"
