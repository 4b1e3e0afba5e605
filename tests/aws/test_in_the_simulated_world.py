"""The driver for AWS against the played region, on virtual time, with faults and deaths of the server (`story.py`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from herder.model.work.job import JobState
from herder.store.rows.tables import attempts
from tests.aws.simulated import ZONES, AwsWorld
from tests.aws.story import SETTINGS, run
from tests.simulation.fleet import check_rest, states_of


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Faults cause many warnings."""
    with caplog.at_level(logging.CRITICAL + 1, logger="herder"):
        yield


def test_a_job_gets_a_spot_instance_and_nothing_is_left_over() -> None:
    world, seen = AwsWorld(core_settings=SETTINGS), list[str]()
    world.aws.hooks.append(lambda what, vm: seen.append(f"{what} {'spot' if vm.spot else 'on-demand'}"))

    async def story(_world: AwsWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000, retries=1)
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 600, "the job has ended")
        await world.until(world.at_rest, 1_200, "nothing is left over")
        check_rest(world)

    world.run(story)
    assert seen == ["running spot", "off spot", "gone spot"]


def test_spot_that_is_sold_out_everywhere_goes_on_demand_at_once() -> None:
    world, seen = AwsWorld(core_settings=SETTINGS), set[bool]()
    world.aws.sold_out |= {(zone, True) for zone in ZONES}
    world.aws.hooks.append(lambda what, vm: seen.add(vm.spot) if what == "running" else None)

    async def story(_world: AwsWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000, retries=1)
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 900, "the job has ended")
        await world.until(world.at_rest, 1_200, "nothing is left over")

    world.run(story)
    assert seen == {False}


def test_an_interruption_is_replaced() -> None:
    world = AwsWorld(core_settings=SETTINGS)
    aws = world.aws

    async def story(_world: AwsWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=300_000, retries=1, attempts_max=10)
        await world.until(lambda: JobState.RUNNING in states_of(world).values(), 600, "the job runs")
        (first,) = world.vms()
        aws.interrupt(first.id)
        world.look()
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 1_800, "the job has ended")
        with world.engine.connect() as connection:
            causes = list(connection.execute(select(attempts.c.cause).order_by(attempts.c.attempt)).scalars())
        assert causes == ["preempted", ""]
        await world.until(world.at_rest, 1_200, "nothing is left over")

    world.run(story)


def test_a_disk_that_survives_its_instance_is_removed() -> None:
    world = AwsWorld(core_settings=SETTINGS)

    async def story(_world: AwsWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000, retries=1)
        await world.until(lambda: bool(world.aws.volumes), 600, "there is a disk")
        (disk,) = world.aws.volumes.values()
        disk.stays = True
        await world.until(world.at_rest, 1_800, "nothing is left over")

    world.run(story)
    assert "DeleteVolume" in world.aws.asked


def test_an_instance_whose_tags_were_removed_is_found_by_the_next_server() -> None:
    world = AwsWorld(core_settings=SETTINGS)

    async def story(_world: AwsWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=120_000, retries=1)
        await world.until(lambda: JobState.RUNNING in states_of(world).values(), 600, "the job runs")
        (first,) = world.vms()
        first.tags = {"team": "blue"}
        await world.replace_server()
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 900, "the job has ended")
        await world.until(world.at_rest, 1_200, "nothing is left over")
        assert len(world.aws.tokens) == 1, "no second instance was made"

    world.run(story)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_hours_of_faults_and_deaths_leaves_nothing_behind() -> None:
    world, told = run(1, hours=6.0)
    assert told.submitted > 10
    assert len(world.dice.counts) > 10, "so many kinds of faults"
