"""What a provider lists against what Herder knows: unknown is not gone, and nothing goes in bulk without a person."""

import asyncio
from dataclasses import replace

import pytest

from herder.control.reads.explanations import failures
from herder.drivers.pretend import PretendSettings
from herder.engine.memory.worker_repair import RepairLife, Step
from herder.engine.workers.repairs.conditions import Found, report
from herder.model.fleet.driver import Listing, MachineEnd, StartData
from herder.model.fleet.repair import Condition, Rung
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.ports.calls import Order
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet

pytestmark = pytest.mark.virtual_time

#: More than two sweeps, and the time that a new machine may stay unlisted.
SWEEPS_S = 60


async def made(fleet: Fleet, count: int, *, join: bool = True) -> list[str]:
    names = [f"w-{number}" for number in range(count)]
    await fleet.want(*names)
    await fleet.until(lambda: all(fleet.states()[name] == "joining" for name in names))
    if join:
        await fleet.join(*names)
    await asyncio.sleep(20)
    return names


def alive(fleet: Fleet) -> list[str]:
    return sorted(name for name, state in fleet.states().items() if state == "ready")


def others(fleet: Fleet, count: int) -> None:
    """Machines under our tag that no row knows."""
    driver = fleet.core.drivers["cloud"]
    start = StartData(server_url="", activation_token="t", self_delete_after_s=1)
    worker = next(iter(fleet.core.state.workers.values()))
    for number in range(count):
        driver.create(replace(worker.spec, name=WorkerName(f"x-{number}")), start)


async def test_what_is_really_gone_is_closed(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await made(fleet, 5)
    fleet.world.lose("w-3")
    await fleet.until(lambda: fleet.states()["w-3"] == "terminated", limit_s=SWEEPS_S)
    assert alive(fleet) == ["w-0", "w-1", "w-2", "w-4"]


async def test_one_listing_ends_nobody(make_fleet: MakeFleet) -> None:
    """One that lacks a machine, and one that is empty."""
    fleet = make_fleet()
    names = await made(fleet, 5)
    shown = fleet.core.drivers["cloud"].list()
    fleet.world.lie("list", Listing(machines=shown.machines[1:]))
    await asyncio.sleep(SWEEPS_S)
    fleet.world.lie("list", Listing(machines=()))
    await asyncio.sleep(SWEEPS_S)
    assert alive(fleet) == names
    assert fleet.core.state.frozen_drivers == {}


async def test_listings_that_lack_machines_for_ever_end_nobody_whom_get_finds(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    names = await made(fleet, 5)
    fleet.world.lie("list", Listing(machines=()), times=1000)
    await asyncio.sleep(600)
    assert alive(fleet) == names
    assert fleet.core.state.frozen_drivers == {}


async def test_incomplete_listings_prove_nothing(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    names = await made(fleet, 4)
    fleet.world.concealed = {"w-0", "w-1"}
    fleet.world.listed_most = 1
    await asyncio.sleep(600)
    shown = fleet.core.drivers["cloud"].list()
    fleet.world.lie("list", replace(shown, complete=True))  # the only one: it takes two
    await asyncio.sleep(600)
    assert alive(fleet) == names


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST])
async def test_no_answer_proves_nothing(make_fleet: MakeFleet, fault: Fault) -> None:
    """Neither to the listing nor to the question for the one that a listing lacks."""
    fleet = make_fleet()
    names = await made(fleet, 3)
    fleet.world.lose("w-0")
    fleet.calls.order(Order(verb="get", fault=fault, error=ValueError("no"), times=20))
    await asyncio.sleep(SWEEPS_S)
    assert alive(fleet) == names


async def test_whoever_calls_is_there_whatever_its_provider_says(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await made(fleet, 2)
    fleet.world.concealed = {"w-0", "w-1"}
    for _ in range(60):
        fleet.hear("w-0")
        await asyncio.sleep(5)
    assert fleet.states()["w-0"] == "ready"
    assert fleet.states()["w-1"] in ("terminating", "terminated"), "nobody has heard of it either"


@pytest.mark.parametrize("lost", [4, 10])
async def test_many_at_once_freeze_the_driver_and_end_nobody(make_fleet: MakeFleet, lost: int) -> None:
    """Listing and `get` agree that a part of the fleet is gone: a wrong project, or a zone that burnt down. A person knows."""
    fleet = make_fleet()
    names = await made(fleet, 10)
    fleet.world.concealed = set(names[:lost])
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=SWEEPS_S)
    await asyncio.sleep(300)
    assert alive(fleet) == names
    (told,) = fleet.events("driver.frozen")
    assert "at least 4 of its 10 workers no longer exist" in told
    assert "more than the limit of 3 in a minute" in told
    assert "herder driver unfreeze cloud --allow-removals" in told
    assert not [call for call in fleet.calls.made if call[1] == "delete"]

    fleet.world.concealed = set()  # it was a lie
    await fleet.decide("unfreeze", "cloud")
    await asyncio.sleep(SWEEPS_S)
    assert alive(fleet) == names
    assert "cloud" not in fleet.core.state.frozen_drivers


async def test_a_person_may_say_that_they_are_gone(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    names = await made(fleet, 10)
    for name in names[:6]:
        fleet.world.lose(name)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=SWEEPS_S)
    assert alive(fleet) == names
    await fleet.decide("unfreeze", "cloud", allow_removals=True)
    await fleet.until(lambda: alive(fleet) == names[6:], limit_s=SWEEPS_S)
    assert "cloud" not in fleet.core.state.frozen_drivers


async def test_a_few_at_a_time_add_up(make_fleet: MakeFleet) -> None:
    """Three are closed; those of the same minute count with the next ones."""
    fleet = make_fleet()
    names = await made(fleet, 10)
    for name in names[:3]:
        fleet.world.lose(name)
    await fleet.until(lambda: alive(fleet) == names[3:], limit_s=SWEEPS_S)
    fleet.world.lose("w-3")
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=SWEEPS_S)
    assert alive(fleet) == names[3:]
    assert (
        "reports that at least 1 of its 7 workers no longer exists. 3 others were closed or removed in the last minute, which makes 4 in all, "
        "more than the limit of 3 in a minute. Nothing was removed."
    ) in fleet.events("driver.frozen")[0]


async def test_the_reason_of_a_freeze_names_what_is_above_the_limit(make_fleet: MakeFleet) -> None:
    """One worker is lost, which is within the limit; eight unknown machines are not."""
    fleet = make_fleet()
    names = await made(fleet, 10)
    others(fleet, 8)
    fleet.world.lose(names[0])
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=SWEEPS_S)
    (told,) = fleet.events("driver.frozen")
    assert "lists 8 machines that belong to no worker, more than the limit of 3. Nothing was removed." in told
    assert "herder admin sweep --driver cloud" in told


async def test_the_bound_grows_with_the_fleet_and_is_a_setting(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(removals_least=1, removals_part=0.5)
    names = await made(fleet, 10)
    for name in names[:5]:
        fleet.world.lose(name)
    await fleet.until(lambda: alive(fleet) == names[5:], limit_s=SWEEPS_S)
    assert fleet.core.state.frozen_drivers == {}


async def test_machines_that_no_row_knows_are_removed_a_few_at_a_time(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await made(fleet, 2)
    others(fleet, 3)
    await fleet.until(lambda: fleet.machines() == ["w-0", "w-1"], limit_s=SWEEPS_S)
    await fleet.until(lambda: len(fleet.events("worker.orphan")) == 3)
    assert await failures.recent(fleet.core) == [], "nothing is left to be done"
    others(fleet, 2)
    await asyncio.sleep(20)
    assert len(fleet.machines()) == 4, "the minute is not over"
    await fleet.until(lambda: fleet.machines() == ["w-0", "w-1"], limit_s=90)
    assert alive(fleet) == ["w-0", "w-1"]


async def test_one_listing_makes_no_orphan(make_fleet: MakeFleet) -> None:
    """The row of a machine may be on its way, or another server's listing have come to us."""
    fleet = make_fleet()
    await made(fleet, 1)
    shown = fleet.core.drivers["cloud"].list()
    stranger = replace(shown.machines[0], worker=WorkerName("x-1"))
    fleet.world.lie("list", Listing(machines=(*shown.machines, stranger)))
    await asyncio.sleep(SWEEPS_S)
    assert ("cloud", "delete", "x-1") not in fleet.calls.made


async def test_many_machines_that_no_row_knows_are_left_to_a_person(make_fleet: MakeFleet) -> None:
    """As after a store that was restored from yesterday."""
    fleet = make_fleet()
    await made(fleet, 2)
    others(fleet, 8)
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=SWEEPS_S)
    assert len(fleet.machines()) == 10
    assert "lists 8 machines that belong to no worker" in fleet.events("driver.frozen")[0]
    await fleet.decide("unfreeze", "cloud", allow_removals=True)
    await fleet.until(lambda: len(fleet.machines()) == 2, limit_s=SWEEPS_S)


async def test_listings_that_lag_end_nobody_and_tell_of_no_orphans(make_fleet: MakeFleet) -> None:
    """A machine is listed and found only some time after it was made; and a removed one is listed for a while."""
    fleet = make_fleet()
    fleet.world.list_lag_s, fleet.world.get_lag_s = 12, 12
    names = await made(fleet, 6, join=False)
    await asyncio.sleep(SWEEPS_S)
    assert [fleet.states()[name] for name in names] == ["joining"] * 6
    shown = fleet.core.drivers["cloud"].list()
    fleet.world.lie("list", shown, times=8)
    await fleet.end(*names)
    await asyncio.sleep(SWEEPS_S)
    assert fleet.events("worker.orphan") == []
    assert fleet.core.state.frozen_drivers == {}


async def test_machines_that_stopped_are_closed_once_the_provider_confirms(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=PretendSettings())
    await made(fleet, 4)
    fleet.world.halt("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated", limit_s=SWEEPS_S)
    assert fleet.machines() == ["w-0", "w-2", "w-3"]


async def test_why_a_machine_has_stopped_is_told_with_the_removal(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=PretendSettings())
    await made(fleet, 4)
    fleet.world.halt("w-1")
    text = "It used more memory than its limit."
    seen = fleet.core.drivers["cloud"].get(WorkerName("w-1"))
    fleet.world.lie("get", replace(seen, end=MachineEnd.OUT_OF_MEMORY, detail=text))
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated", limit_s=SWEEPS_S)
    assert f"The machine of w-1 has stopped. {text}" in fleet.events("worker.terminating")


def restarted(fleet: Fleet, name: str) -> None:
    """A repair has just begun to restart its machine."""
    worker, now_ms = fleet.core.state.workers[WorkerName(name)], fleet.core.clock.now_ms()
    report(
        fleet.core.state,
        Changes(),
        worker,
        "test",
        {Condition.DISK_PRESSURE: Found("the disk is full")},
        now_ms,
    )
    worker.health.repair = RepairLife(
        condition=Condition.DISK_PRESSURE,
        rung=Rung.REBOOT,
        step=Step.ACTED,
        since_ms=now_ms,
        acted_at_ms=now_ms,
    )


async def test_a_machine_that_is_restarted_may_be_off_for_a_while(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=PretendSettings())
    await made(fleet, 4)
    restarted(fleet, "w-1")
    fleet.world.halt("w-1")
    await asyncio.sleep(SWEEPS_S)
    assert fleet.states()["w-1"] not in ("terminating", "terminated")


async def test_a_machine_that_is_gone_while_it_is_restarted_is_closed(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=PretendSettings())
    await made(fleet, 4)
    restarted(fleet, "w-1")
    fleet.world.lose("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated", limit_s=SWEEPS_S)
