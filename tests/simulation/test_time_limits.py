"""Deadlines and queue time-outs while servers die and messages are lost: each job ends once, with its cause."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from herder.model.work.job import Cause, JobState
from herder.simulate.chaos import POOLS, World
from herder.simulate.chaos.faults.kinds import CALM
from herder.store.rows.tables import jobs
from tests.simulation.fleet import check_rest

ONE = (replace(POOLS[0], size=replace(POOLS[0].size, max_workers=1)),)


def ends(world: World) -> dict[int, tuple[JobState, str]]:
    with world.engine.connect() as connection:
        query = select(jobs.c.id, jobs.c.state, jobs.c.cause)
        return {row.id: (JobState(row.state), row.cause) for row in connection.execute(query)}


@pytest.mark.parametrize("seed", [1, 2])
def test_jobs_with_limits_end_at_them_whatever_fails(seed: int) -> None:
    async def story(world: World) -> None:
        world.dies = lambda _what: world.dice.trouble and world.dice.of("deaths").random() < 0.005
        often = {"cpu": 1, "memory": "1Gi", "retries": 1, "attempts_max": 1000}
        overdue = [await world.people.submit(deadline="+60s", sleep_ms=3_600_000, **often) for _ in range(6)]
        patient = [
            await world.people.submit(queue_timeout_s=90, cpu=1, memory="1Gi", sleep_ms=1_000)
            for _ in range(3)
        ]
        batch = await world.people.batch(
            "ann",
            [
                {"deadline": "+120s", "sleep_ms": 3_600_000, **often},
                {"parents": [0], "deadline": "+120s", **often},
            ],
        )
        await asyncio.sleep(240)
        world.dice.trouble = False
        if world.server is None:
            await world.restart(1.0)
        await world.until(world.at_rest, 3_000, "nothing is left over")
        await world.core.settle()
        check_rest(world)
        found = ends(world)
        assert {found[job] for job in overdue} == {(JobState.CANCELLED, Cause.DEADLINE)}
        for job in patient:
            assert found[job] in ((JobState.SUCCEEDED, ""), (JobState.FAILED, Cause.QUEUE_TIMEOUT))
        others = [found[job] for job in found if job not in (*overdue, *patient)]
        assert (JobState.CANCELLED, Cause.DEADLINE) in others
        assert batch not in world.core.state.batches

    World(seed, pools=ONE, odds=replace(CALM, people=0.05, network=0.03)).run(story)


def test_no_job_starts_between_its_deadline_and_the_next_look_at_deadlines() -> None:
    """A place becomes free in that time. The look after it cancels nothing any more: that has happened."""

    async def story(world: World) -> None:
        whole = {"cpu": 8, "memory": "1Gi", "attempts_max": 1000}
        before = await world.people.submit(sleep_ms=50_000, **whole)
        await world.until(lambda: bool(world.machines.began), 60, "the first runs")
        overdue = await world.people.submit(deadline="+40s", sleep_ms=1_000, **whole)
        await world.until(lambda: ends(world)[before][0].ended, 120, "the place is free")
        await world.until(lambda: ends(world)[overdue][0].ended, 5, "it ends with that")
        assert ends(world)[overdue] == (JobState.CANCELLED, Cause.DEADLINE)
        assert not any(job == overdue for job, _ in world.machines.began)

    World(1, pools=ONE, core_settings={"lifecycle_period_s": 600.0}).run(story)
