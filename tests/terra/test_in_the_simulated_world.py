"""The driver for Terra against the played workspace, on virtual time, with faults and deaths of the server (`story.py`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from herder.model.work.job import JobState
from herder.testing.terra import REGION
from tests.simulation.fleet import check_rest, states_of
from tests.terra.simulated import TerraWorld
from tests.terra.story import SETTINGS, run


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Faults cause many warnings."""
    with caplog.at_level(logging.CRITICAL + 1, logger="herder"):
        yield


def test_a_job_gets_a_spot_vm_and_nothing_is_left_over() -> None:
    world, seen = TerraWorld(core_settings=SETTINGS), list[str]()
    world.terra.state.hooks.append(
        lambda what, vm: seen.append(f"{what} {'spot' if vm.spot else 'on-demand'}")
    )

    async def story(_world: TerraWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000, retries=1)
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 600, "the job has ended")
        await world.until(world.at_rest, 1_200, "nothing is left over")
        check_rest(world)

    world.run(story)
    assert seen == ["running spot", "gone spot"]


def test_spot_that_is_sold_out_goes_on_demand() -> None:
    world, seen = TerraWorld(core_settings=SETTINGS), set[bool]()
    world.terra.state.sold_out.add((REGION, True))
    world.terra.state.hooks.append(lambda what, vm: seen.add(vm.spot) if what == "running" else None)

    async def story(_world: TerraWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000, retries=1)
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 900, "the job has ended")
        await world.until(world.at_rest, 1_200, "nothing is left over")

    world.run(story)
    assert seen == {False}


@pytest.mark.parametrize("how", ["evicted", "vanished"])
def test_a_vm_that_terra_believes_to_run_is_replaced(how: str) -> None:
    """Terra knows no power: a silent agent tells."""
    world = TerraWorld(core_settings=SETTINGS)
    state = world.terra.state

    async def story(_world: TerraWorld) -> None:
        await world.people.submit(cpu=1, memory="1Gi", sleep_ms=120_000, retries=1, attempts_max=10)
        await world.until(lambda: JobState.RUNNING in states_of(world).values(), 600, "the job runs")
        ((ident, vm),) = state.vms.items()
        if how == "evicted":
            state.evict(ident)
        else:
            state.vanish(vm)
        world.look()
        await world.until(lambda: JobState.SUCCEEDED in states_of(world).values(), 1_200, "the job has ended")
        assert ident not in state.vms
        await world.until(world.at_rest, 1_200, "nothing is left over")

    world.run(story)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_hours_of_faults_and_deaths_leave_nothing_behind() -> None:
    world, told = run(1, hours=6.0)
    assert told.submitted > 10
    assert len(world.dice.counts) > 10, "so many kinds of faults"
