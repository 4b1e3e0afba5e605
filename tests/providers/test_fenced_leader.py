"""A leader that was stopped or cut off calls no driver after its lease, and what it had asked for before that does no harm."""

import asyncio

import pytest

from herder.control.drivers import calling
from herder.ports.leadership import Alone
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.ports.calls import Order
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet

pytestmark = pytest.mark.virtual_time


class Lease(Alone):
    """`held`: what the next questions are answered; the last one for ever."""

    def __init__(self, *held: bool) -> None:
        self.held = list(held)

    def holds(self) -> bool:
        return self.held.pop(0) if len(self.held) > 1 else self.held[0]


async def test_a_leader_whose_lease_may_have_ended_calls_no_driver(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    lease = fleet.core.leadership = Lease(True)
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "joining")
    lease.held = [False]
    await asyncio.sleep(60)  # what is under way ends
    fleet.calls.made.clear()
    await fleet.want("w-2")
    await fleet.end("w-1")
    await asyncio.sleep(300)
    assert fleet.calls.made == []
    assert fleet.machines() == ["w-1"]
    lease.held = [True]  # nobody was faster, and it was renewed
    fleet.core.workers_changed.set()
    await fleet.until(lambda: fleet.states()["w-2"] == "joining")
    await fleet.until(lambda: fleet.machines() == ["w-2"])


async def test_a_call_that_waited_in_a_thread_while_the_lease_ended_is_not_made(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    fleet.core.leadership = Lease(True, False)
    asked: list[object] = []
    with pytest.raises(calling.DriverFrozenError, match="cannot renew its lease"):
        await calling.ask(fleet.core, "cloud", "delete", asked.append)
    assert asked == []


@pytest.mark.parametrize(
    "kept", [True, False], ids=["the worker is wanted", "the worker was removed meanwhile"]
)
async def test_a_creation_that_arrives_after_the_take_over_makes_no_second_machine(
    make_fleet: MakeFleet, kept: bool
) -> None:
    fleet = make_fleet()
    await _take_over_during(fleet, "create")
    if kept:
        await fleet.until(lambda: fleet.states()["w-1"] == "joining")
    else:
        await fleet.end("w-1")
    await asyncio.sleep(300)
    assert fleet.machines() == (["w-1"] if kept else [])
    assert "w-1" in fleet.states() if kept else fleet.states().get("w-1") in (None, "failed", "terminated")


async def test_a_removal_that_arrives_after_the_take_over_removes_nothing_else(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    await fleet.want("w-1", "w-2")
    await fleet.until(lambda: set(fleet.states().values()) == {"joining"})
    fleet.calls.order(Order(verb="delete", fault=Fault.ACTS_LATE))
    await fleet.end("w-1")
    await fleet.until(lambda: ("cloud", "delete", "w-1") in fleet.calls.made)
    await fleet.crash()
    await fleet.until(lambda: fleet.machines() == ["w-2"])
    await asyncio.sleep(300)
    assert fleet.machines() == ["w-2"]
    assert fleet.states()["w-2"] == "joining"


async def _take_over_during(fleet: Fleet, verb: str) -> None:
    """The provider has the call, and acts when another server leads."""
    fleet.calls.order(Order(verb=verb, fault=Fault.ACTS_LATE))
    await fleet.want("w-1")
    await fleet.until(lambda: ("cloud", verb, "w-1") in fleet.calls.made)
    await fleet.crash()
