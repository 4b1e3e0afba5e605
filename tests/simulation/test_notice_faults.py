"""Interruption notices in the simulated world: what drivers and agents hear, machines that go early, late or never, and servers that die
in the middle.

As in `test_faults_at_ports.py`: no loop is imported, faults are ordered of the ports by name.
"""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from herder.model.fleet.worker import WorkerState
from herder.model.work.job import AttemptState, Cause, JobState
from herder.simulate.chaos import POOLS, Fault, World
from herder.simulate.chaos.faults.kinds import CALL_FAULTS
from herder.store.rows import tables as t
from tests.simulation.fleet import check_rest, event_kinds, states_of

POOL = replace(
    POOLS[0],
    size=replace(POOLS[0].size, max_workers=4),
    scale_down=replace(POOLS[0].scale_down, idle_timeout_s=60.0),
    lifetime=replace(POOLS[0].lifetime, drain_grace_s=300.0),
)
WITHIN_S = 600.0


def announcing(seed: int = 1, **core_settings: float) -> World:
    return World(seed, pools=(POOL,), announces=True, core_settings=core_settings)  # type: ignore[arg-type]


async def running(world: World, seconds: float, count: int = 1) -> list[int]:
    size = {"cpu": 6, "memory": "4Gi"}
    jobs = [
        await world.people.submit(**size, sleep_ms=int(seconds * 1000), attempts_max=1000)
        for _ in range(count)
    ]
    await world.until(
        lambda: all(states_of(world).get(job) is JobState.RUNNING for job in jobs), 120, "the jobs run"
    )
    return jobs


def attempts_of(world: World, job: int) -> list[tuple[AttemptState, str, str]]:
    query = select(t.attempts).where(t.attempts.c.job_id == job).order_by(t.attempts.c.attempt)
    with world.engine.connect() as connection:
        return [(AttemptState(row.state), row.cause, row.worker) for row in connection.execute(query)]


async def ends(world: World, *jobs: int) -> None:
    await world.until(
        lambda: all(states_of(world).get(job) is JobState.SUCCEEDED for job in jobs), WITHIN_S, f"jobs {jobs}"
    )


async def rest(world: World) -> None:
    await world.until(world.at_rest, WITHIN_S, "everything rests")
    await world.core.settle()


def test_a_driver_announces_and_the_replacement_is_there_before_the_end() -> None:
    async def story(world: World) -> None:
        (job,) = await running(world, 200)
        (first,) = world.core.state.workers
        world.provider.announce(first, 90, 90)
        announced_s = world.loop.time()
        await world.until(lambda: len(world.core.state.workers) == 2, 40, "a replacement is created")
        await world.until(
            lambda: any(each.state is WorkerState.READY for each in world.core.state.workers.values()),
            80,
            "ready",
        )
        assert world.loop.time() < announced_s + 85
        assert world.core.state.live[job].worker == first, "it has the time of the notice"
        await ends(world, job)
        assert [each[:2] for each in attempts_of(world, job)] == [
            (AttemptState.LOST, Cause.PREEMPTED.value),
            (AttemptState.SUCCEEDED, ""),
        ]
        await rest(world)
        assert event_kinds(world).count("worker.interrupted") == 1

    world = announcing()
    world.run(story)


def test_an_agent_hears_it_first_and_what_ends_in_time_is_a_success() -> None:
    async def story(world: World) -> None:
        (job,) = await running(world, 30)
        (name,) = world.core.state.workers
        world.machines.announcements.announce(name, 60, agent=True)
        await world.until(
            lambda: "worker.interrupted" in event_kinds(world), 2, "the server hears it at once"
        )
        await ends(world, job)
        assert len(attempts_of(world, job)) == 1
        await rest(world)
        check_rest(world)

    World(1, pools=(POOL,)).run(story)


@pytest.mark.parametrize("goes_after_s", [0.0, 20.0, 59.0, 61.0, 300.0, None])
def test_a_machine_that_goes_early_late_or_never(goes_after_s: float | None) -> None:
    async def story(world: World) -> None:
        jobs = await running(world, 100, count=2)
        name = world.core.state.live[jobs[0]].worker  # type: ignore[index]
        world.provider.announce(name, 60, goes_after_s)
        await ends(world, *jobs)
        await rest(world)
        check_rest(world)

    announcing(interruptions_period_s=2.0).run(story)


@pytest.mark.parametrize("at_s", [1.0, 20.0, 55.0, 62.0])
@pytest.mark.parametrize("away_s", [1.0, 30.0])
def test_a_server_that_dies_in_the_middle_goes_on(at_s: float, away_s: float) -> None:
    async def story(world: World) -> None:
        (job,) = await running(world, 150)
        (name,) = world.core.state.workers
        world.machines.announcements.announce(name, 60, agent=True)
        world.provider.announce(name, 60, 60, told=False)
        await asyncio.sleep(at_s)
        world.kill_server()
        await asyncio.sleep(away_s)
        await world.start()
        await ends(world, job)
        await rest(world)
        assert event_kinds(world).count("worker.interrupted") == 1
        assert {cause for _, cause, _ in attempts_of(world, job)} == {Cause.PREEMPTED.value, ""}
        check_rest(world)

    World(1, pools=(POOL,)).run(story)


def test_a_burst_of_a_whole_zone() -> None:
    async def story(world: World) -> None:
        jobs = await running(world, 100, count=4)
        names = set(world.core.state.workers)
        for name in names:
            world.provider.announce(name, 45, 45)
        await world.until(
            lambda: all(each.state is WorkerState.DRAINING for each in world.core.state.workers.values()),
            20,
            "drain",
        )
        await ends(world, *jobs)
        assert all(len(attempts_of(world, job)) == 2 for job in jobs)
        assert {worker for job in jobs for _, _, worker in attempts_of(world, job)} > names
        await rest(world)
        check_rest(world)

    announcing(interruptions_period_s=5.0).run(story)


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_calls_that_go_wrong_delay_a_notice_and_nothing_else(fault: Fault) -> None:
    async def story(world: World) -> None:
        (job,) = await running(world, 20)
        (name,) = world.core.state.workers
        world.provider.announce(name, 200, 200)
        world.dice.order("interruptions", fault)
        await world.until(lambda: "worker.interrupted" in event_kinds(world), 150, "it is heard in the end")
        await ends(world, job)
        await rest(world)
        check_rest(world)

    announcing().run(story)


@pytest.mark.parametrize("answer", [None, [1], "x"])
def test_a_driver_that_talks_nonsense_is_told_as_one(answer: object) -> None:
    async def story(world: World) -> None:
        (job,) = await running(world, 60)
        world.provider.lie("interruptions", answer)
        await world.until(lambda: "driver.fault" in event_kinds(world), 40, "the fault is told")
        await ends(world, job)
        await rest(world)

    announcing().run(story)
