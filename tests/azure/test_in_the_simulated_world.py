"""The driver for Azure against the played subscription, on virtual time, with faults and deaths of the server (`story.py`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from herder.model.work.job import JobState
from tests.azure.simulated import AzureWorld
from tests.azure.story import SETTINGS, run
from tests.simulation.fleet import check_rest, states_of


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Faults cause many warnings."""
    with caplog.at_level(logging.CRITICAL + 1, logger="herder"):
        yield


def test_a_job_gets_a_spot_vm_and_nothing_is_left_over() -> None:
    world, seen = AzureWorld(core_settings=SETTINGS), list[str]()
    world.azure.state.hooks.append(
        lambda what, vm: seen.append(f"{what} {'spot' if vm.spot else 'on-demand'}")
    )

    async def story(_world: AzureWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000, retries=1)
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 600, "the job has ended")
        await world.until(world.at_rest, 1_200, "nothing is left over")
        check_rest(world)

    world.run(story)
    assert seen == ["running spot", "gone spot"]


def test_spot_that_is_sold_out_everywhere_goes_on_demand_at_once() -> None:
    world, seen = AzureWorld(core_settings=SETTINGS), set[bool]()
    world.azure.state.sold_out |= {(location, True) for location in world.azure.state.quotas}
    world.azure.state.hooks.append(lambda what, vm: seen.add(vm.spot) if what == "running" else None)

    async def story(_world: AzureWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000, retries=1)
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 900, "the job has ended")
        await world.until(world.at_rest, 1_200, "nothing is left over")

    world.run(story)
    assert seen == {False}


def test_an_eviction_is_replaced() -> None:
    world = AzureWorld(core_settings=SETTINGS)
    state = world.azure.state

    async def story(_world: AzureWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=120_000, retries=1, attempts_max=10)
        await world.until(lambda: JobState.RUNNING in states_of(world).values(), 600, "the job runs")
        (first,) = state.vms
        state.evict(first)
        world.look()
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 1_200, "the job has ended")
        assert first not in state.vms
        await world.until(world.at_rest, 1_200, "nothing is left over")

    world.run(story)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_hours_of_faults_and_deaths_leaves_nothing_behind() -> None:
    world, told = run(1, hours=6.0)
    assert told.submitted > 10
    assert len(world.dice.counts) > 10, "so many kinds of faults"
