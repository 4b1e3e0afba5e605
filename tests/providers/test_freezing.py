"""Drivers that may not be called: refused credentials, by hand, and ones that were taken out of the settings."""

import asyncio

import pytest

from herder.control.kernel.bounds.errors import Conflict
from herder.control.planning.observation import observe
from herder.control.planning.plans import still_right
from herder.decide.plan.planner import decide
from herder.model.fleet.driver import Unauthorised
from herder.model.stored.changes import Changes
from herder.model.stored.records import PoolRecord
from herder.settings import pool_from_plain
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.ports.calls import Order
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet

pytestmark = pytest.mark.virtual_time


def refuse(fleet: Fleet, verb: str) -> None:
    fleet.calls.order(Order(verb=verb, fault=Fault.REFUSED, error=Unauthorised("token expired")))


def calls_of(fleet: Fleet, driver: str = "cloud") -> set[str]:
    return {verb for name, verb, _ in fleet.calls.made if name == driver}


@pytest.mark.parametrize("verb", ["create", "get", "delete", "list", "health"])
async def test_refused_credentials_freeze_the_driver_over_restarts(make_fleet: MakeFleet, verb: str) -> None:
    fleet = make_fleet("cloud", "other")
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "joining")
    refuse(fleet, verb)
    await fleet.crash()  # so that health is asked again, too
    if verb == "get":
        fleet.world.concealed = {"w-1"}  # the sweep asks for it
    await fleet.want("w-2")
    await fleet.end(*(["w-1"] if verb == "delete" else []))
    await fleet.until(lambda: "cloud" in fleet.core.state.frozen_drivers, limit_s=120)
    fleet.world.concealed = set()
    (told,) = fleet.events("driver.frozen")
    assert "the provider refused its credentials or settings (token expired)" in told
    assert "herder driver unfreeze cloud" in told

    await fleet.crash()
    fleet.calls.made.clear()
    before, machines = fleet.states(), fleet.machines()
    await fleet.want("w-3")
    await fleet.want("o-1", driver="other")
    await fleet.until(lambda: fleet.states()["o-1"] == "joining", limit_s=10)
    await asyncio.sleep(300)
    assert calls_of(fleet) == {"health"}
    assert fleet.machines() == machines
    assert {name: fleet.states()[name] for name in before} == before
    assert fleet.states()["w-3"] == "failed", "a claim that nothing was done for makes way for other offers"

    await fleet.decide("unfreeze", "cloud")
    await fleet.want("w-4")
    await fleet.until(lambda: fleet.states()["w-4"] == "joining", limit_s=60)
    if verb == "delete":
        await fleet.until(lambda: fleet.states()["w-1"] == "terminated", limit_s=60)
    await fleet.crash()
    assert fleet.core.state.frozen_drivers == {}


async def test_the_planner_leaves_the_pools_of_a_frozen_driver_alone_and_says_why(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    plain = {
        "name": "p",
        "driver": "cloud",
        "min_workers": 2,
        "templates": [{"name": "t", "cpu": 1, "memory": "1Gi", "price_per_hour": "0.1"}],
    }
    pool = pool_from_plain(plain)
    fleet.core.state.pools[pool.name] = pool
    now = fleet.clock.now_ms()
    assert len(decide(observe(fleet.core.state, now), now).actions) == 2
    await fleet.decide("freeze", "cloud", message="maintenance")
    observed = observe(fleet.core.state, now)
    plan = decide(observed, now)
    assert plan.actions == ()
    assert still_right(fleet.core.state, observed, plan, now) == plan, "other pools are planned for"
    texts = [reason.text for report in plan.pools for reason in report.reasons]
    assert any("Driver cloud was frozen by ann: maintenance." in text for text in texts), texts
    await fleet.decide("unfreeze", "cloud")
    assert still_right(fleet.core.state, observed, plan, now) is None, "it was made for another state"
    assert len(decide(observe(fleet.core.state, now), now).actions) == 2


async def test_a_driver_that_was_taken_out_keeps_its_workers_until_somebody_decides(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet("cloud", "other")
    await fleet.want("w-1", "w-2", "w-3")
    await fleet.until(lambda: set(fleet.states().values()) == {"joining"})
    await fleet.join("w-1", "w-2")
    await fleet.crash(without=["cloud"])
    assert "it still has 3 workers" in fleet.events("driver.missing")[-1]
    await fleet.end("w-3")
    await asyncio.sleep(600)
    assert [fleet.states()[name] for name in ("w-1", "w-2", "w-3")] == ["ready", "ready", "terminating"]
    assert fleet.machines("cloud") == ["w-1", "w-2", "w-3"]
    with pytest.raises(Conflict):
        await fleet.decide("unfreeze", "cloud")
    with pytest.raises(Conflict):
        await fleet.decide("forget", "other")

    await fleet.crash()  # it was put back
    await fleet.until(lambda: fleet.states()["w-3"] == "terminated")
    assert fleet.machines("cloud") == ["w-1", "w-2"]

    await fleet.crash(without=["cloud"])
    text = await fleet.decide("forget", "cloud")
    assert "2 workers of driver cloud" in text
    assert "are not removed" in text
    assert [fleet.states()[name] for name in ("w-1", "w-2")] == ["failed", "failed"], "nobody said terminated"
    assert all("may still run at the provider" in said for said in fleet.events("worker.forgotten"))
    assert fleet.machines("cloud") == ["w-1", "w-2"]
    assert "cloud" not in fleet.core.state.frozen_drivers


async def test_a_missing_driver_that_a_pool_names_stays_listed(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("cloud", "other")
    changes = Changes()
    changes.put(
        PoolRecord("p", '{"version": 2, "name": "p", "driver": "cloud", "templates": ["small"]}', 0, 0, 1)
    )
    await fleet.core.commit(changes)
    await fleet.crash(without=["cloud"])
    assert "is named by pool p" in fleet.events("driver.missing")[-1]
    await fleet.decide("forget", "cloud")
    assert "cloud" in fleet.core.state.frozen_drivers
