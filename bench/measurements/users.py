"""Many users with equal queues: how equally they are served, and what that costs against the same jobs of one user.

The workers are filled until all batches are there. Service is what has succeeded at a moment about half-way.
"""

import asyncio
from collections.abc import Sequence

from bench.bench import Bench
from bench.figures import Figure, median_of
from bench.server.calls import Caller, connect
from bench.server.jobs import WAIT_S, bodies, noop, submit_batch
from bench.server.world import World
from herder.control.kernel import clock

#: Between two looks at how far the batches are.
LOOK_S = 0.02


async def measure(bench: Bench) -> list[Figure]:
    sizes = bench.sizes
    spreads, many, one = [], [], []
    async with bench.world() as world:
        callers = [await _user(world, number) for number in range(sizes.users)]
        each = sizes.users_jobs // sizes.users
        for run in range(sizes.runs + 1):
            alone = await _served(world, sizes.agents, callers[:1], each * sizes.users, sizes.users)
            spread, rate = await _served(world, sizes.agents, callers, each, sizes.users)
            if run:  # the first one warms up
                spreads.append(spread)
                many.append(rate)
                one.append(alone[1])
    ratios = [of_many / of_one for of_many, of_one in zip(many, one, strict=True)]
    note = f"{sizes.users} users, {each * sizes.users:,} jobs"
    return [
        median_of("users", "furthest from the mean", "%", spreads, note),
        median_of("users", "rate", "jobs/s", many, note),
        median_of("users", "rate against one user", "×", ratios, note),
    ]


async def _user(world: World, number: int) -> Caller:
    name = f"user-{number}"
    await world.caller.ask("POST", "/users", {"name": name})
    token = (await world.caller.ask("POST", "/tokens", {"user": name}))["token"]
    return await connect(world.url, token)


async def _served(
    world: World, agents: int, callers: Sequence[Caller], each: int, page_size: int
) -> tuple[float, float]:
    """How far the user that is furthest from the mean is from it, in per cent of it, and jobs a second. `page_size`: batches that each
    look reads, as many for one user as for many, since looking costs the server time as well."""
    blockers = await _blocked(world, agents)
    batches = [
        await submit_batch([caller], bodies([noop("work", number) for number in range(each)], 10_000))
        for caller in callers
    ]
    began = clock.monotonic_s()
    for job in blockers:
        await world.caller.call("POST", f"/jobs/{job}/cancel")
    done: list[int] = []
    while sum(done) * 2 < each * len(batches):
        await asyncio.sleep(LOOK_S)
        page = await world.caller.ask("GET", f"/batches?limit={page_size}")
        done = [found["counts"].get("succeeded", 0) for found in page["items"] if found["id"] in batches]
    for caller, batch in zip(callers, batches, strict=True):
        state = ""
        while state in ("", "running"):
            state = (await caller.ask("GET", f"/batches/{batch}/wait?timeout_s={WAIT_S}"))["state"]
        assert state == "succeeded", f"batch {batch} {state}"
    wall_s = clock.monotonic_s() - began
    mean = sum(done) / len(batches)
    return max(abs(count - mean) for count in done) / mean * 100, each * len(batches) / wall_s


async def _blocked(world: World, agents: int) -> list[int]:
    """Jobs that fill the workers, and run."""
    blocker = {**noop("work", 0), "cpu": "2", "sleep_ms": 3_600_000}
    jobs = [(await world.caller.ask("POST", "/jobs", blocker))["first_job"] for _ in range(agents)]
    for job in jobs:
        while (await world.caller.ask("GET", f"/jobs/{job}"))["state"] != "running":
            await asyncio.sleep(LOOK_S)
    return jobs
