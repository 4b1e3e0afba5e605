"""One pool on two clouds, of which the cheaper one goes wrong: the other one goes on, and nothing is paid twice for ever."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from herder.drivers.pretend.settings import PretendSettings
from herder.model.fleet.pool import PoolSize, PoolSpec
from herder.model.values.money import PicoUsd
from herder.model.work.job import JobState
from herder.simulate.chaos import POOLS, Fault, World
from herder.simulate.chaos.small_fleet import ONE_PROVIDER, SMALL
from tests.simulation.fleet import check_rest, states_of

CHEAP = replace(SMALL, name="cheap", driver="one")
DEAR = replace(SMALL, name="dear", driver="two", price_pico_per_hour=PicoUsd(7_200_000))
MOST = 6


def two_clouds() -> World:
    pool: PoolSpec = replace(POOLS[0], driver="one", templates=(CHEAP, DEAR), size=PoolSize(max_workers=MOST))
    quick: PretendSettings = replace(ONE_PROVIDER, boot_s=5.0, boot_spread=0.0)
    return World(pools=(pool,), providers={"one": quick, "two": quick})


async def submit(world: World, count: int, seconds: float = 5.0) -> list[int]:
    return [
        await world.people.submit(cpu=2, memory="1Gi", sleep_ms=int(seconds * 1000)) for _ in range(count)
    ]


async def succeed(world: World, jobs: list[int], within_s: float) -> None:
    await world.until(
        lambda: all(states_of(world).get(job) is JobState.SUCCEEDED for job in jobs), within_s, "they succeed"
    )


async def rest(world: World) -> None:
    await world.until(world.at_rest, 900, "nothing is left over")
    await world.core.settle()
    check_rest(world)


def machines(world: World) -> Counter[str]:
    return Counter({name: len(provider.machines) for name, provider in world.providers.items()})


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REFUSED])
def test_new_work_goes_to_the_cloud_that_answers(fault: Fault) -> None:
    async def story(world: World) -> None:
        world.calls.stuck["one"] = fault
        jobs = await submit(world, 3)
        await succeed(world, jobs, 120)
        assert machines(world) == {"one": 0, "two": 3}
        assert not world.core.state.frozen_drivers
        del world.calls.stuck["one"]
        await rest(world)

    two_clouds().run(story)


def test_machines_whose_creation_was_not_answered_are_not_bought_again() -> None:
    async def story(world: World) -> None:
        world.calls.stuck["one"] = Fault.ANSWER_LOST
        jobs = await submit(world, 3)
        await succeed(world, jobs, 120)
        assert [provider.made for provider in world.providers.values()] == [3, 0]
        del world.calls.stuck["one"]
        await rest(world)

    two_clouds().run(story)


def test_what_was_asked_of_a_cloud_that_does_not_answer_counts_until_it_answers() -> None:
    """It may exist, and cost: with all places of the pool asked for there, nothing is bought elsewhere."""

    async def story(world: World) -> None:
        world.calls.stuck["one"] = Fault.REQUEST_LOST
        jobs = await submit(world, MOST)
        await asyncio.sleep(300)
        assert machines(world) == {"one": 0, "two": 0}
        assert len(world.core.state.workers) == MOST
        del world.calls.stuck["one"]
        await succeed(world, jobs, 300)
        await rest(world)

    two_clouds().run(story)


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REFUSED])
def test_workers_of_a_cloud_that_does_not_answer_are_not_doubled(fault: Fault) -> None:
    """Their agents call, and their work goes on."""

    async def story(world: World) -> None:
        jobs = await submit(world, 2, 300.0)
        await world.until(lambda: len(world.machines.began) == 2, 60)
        assert machines(world) == {"one": 2, "two": 0}
        world.calls.stuck["one"] = fault
        await asyncio.sleep(250)
        assert machines(world) == {"one": 2, "two": 0}
        assert not world.core.state.frozen_drivers
        await succeed(world, jobs, 120)
        assert all(began == 1 for began in world.machines.began.values())
        del world.calls.stuck["one"]
        await rest(world)

    two_clouds().run(story)
