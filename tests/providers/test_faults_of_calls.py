"""Whatever goes wrong with one call to a provider: workers are made and removed exactly once, and people are told what matters."""

import asyncio
from dataclasses import replace

import pytest

from herder.drivers.pretend import PretendSettings
from herder.model.fleet.creation import CreationLimits
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    Listing,
    Machine,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from herder.model.ids import WorkerName
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.ports.calls import Order
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet

pytestmark = pytest.mark.virtual_time

SLOW = PretendSettings(create_s=5, delete_s=5)
VERBS = ["create", "get", "delete", "list", "health"]
#: After these, the same action is tried again and comes to its end.
PASSING = {
    "unavailable": Order(fault=Fault.REFUSED, error=Unavailable("503")),
    "rate limited": Order(fault=Fault.REFUSED, error=RateLimited("slower", 20)),
    "unknown": Order(fault=Fault.REFUSED, error=OutcomeUnknown("cut off")),
    "hung": Order(fault=Fault.REQUEST_LOST),
    "lost": Order(fault=Fault.ANSWER_LOST),
    "doubled": Order(fault=Fault.DOUBLED),
    "late": Order(fault=Fault.ACTS_LATE),
    "down for a while": Order(fault=Fault.REFUSED, error=Unavailable("503"), times=6),
}


def meet(fleet: Fleet, verb: str, order: Order, driver: str = "cloud") -> None:
    fleet.calls.order(replace(order, driver=driver, verb=verb))


@pytest.mark.parametrize("settings", [PretendSettings(), SLOW], ids=["at once", "in phases"])
@pytest.mark.parametrize("trouble", PASSING)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_worker_is_made_once_and_removed_once(
    make_fleet: MakeFleet, verb: str, trouble: str, settings: PretendSettings
) -> None:
    fleet = make_fleet(settings=settings, creation_limits={"cloud": CreationLimits(create_tries=10)})
    meet(fleet, verb, PASSING[trouble])
    await fleet.want("w-1", "w-2")
    await fleet.until(lambda: list(fleet.states().values()) == ["joining", "joining"])
    assert fleet.machines() == ["w-1", "w-2"]
    meet(fleet, verb, PASSING[trouble])
    await fleet.end("w-1", "w-2")
    await fleet.until(lambda: list(fleet.states().values()) == ["terminated", "terminated"])
    await asyncio.sleep(300)  # what acted late is found and removed
    assert fleet.machines() == []
    assert not fleet.core.state.frozen_drivers


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OutOfCapacity("zone a is full", "a"), "No capacity: zone a is full."),
        (QuotaExceeded("16 of 16 cores"), "Quota exceeded: 16 of 16 cores."),
        (InvalidRequest("no such image"), "Invalid request: no such image."),
        (KeyError("instance"), "Driver cloud has a bug in create: KeyError: 'instance'"),
        (StopIteration("end"), "Driver cloud has a bug in create"),
        (AssertionError("impossible"), "AssertionError: impossible"),
    ],
)
async def test_a_creation_that_cannot_be_ends_with_its_reason(
    make_fleet: MakeFleet, error: Exception, says: str
) -> None:
    fleet = make_fleet()
    meet(fleet, "create", Order(fault=Fault.REFUSED, error=error))
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] in ("failed", "terminated"))
    assert any(says in text for text in fleet.events("worker."))
    await fleet.want("w-2")
    await fleet.until(lambda: fleet.states()["w-2"] == "joining")
    assert fleet.machines() == ["w-2"]


@pytest.mark.parametrize(
    ("error", "times"), [(OutOfCapacity("zone a is full"), 1), (Unavailable("its card is not ready"), 2)]
)
async def test_a_creation_that_leaves_something_is_removed(
    make_fleet: MakeFleet, error: DriverError, times: int
) -> None:
    """A row that was closed instead would leave what is there to the sweep, which looks later and may be frozen by it."""
    error.leaves_parts = True
    fleet = make_fleet(creation_limits={"cloud": CreationLimits(create_tries=2)})
    meet(fleet, "create", Order(fault=Fault.REFUSED, error=error, times=times))
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] in ("failed", "terminated"))
    verbs = [called for _, called, worker in fleet.calls.made if worker == "w-1"]
    assert verbs == ["create"] * times + ["delete"]
    assert fleet.states()["w-1"] == "terminated"
    assert any(str(error) in text for text in fleet.events("worker.trouble"))


async def test_what_fails_while_it_is_made_is_removed(make_fleet: MakeFleet) -> None:
    """The provider answers the creation, and only later says that there is no capacity."""
    fleet = make_fleet(settings=SLOW)
    meet(fleet, "get", Order(fault=Fault.REFUSED, error=OutOfCapacity("zone a is full")))
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated")
    assert fleet.machines() == []
    assert any("zone a is full" in text for text in fleet.events("worker.trouble"))


@pytest.mark.parametrize("trouble", ["unknown", "hung", "lost", "late"])
@pytest.mark.parametrize("verb", ["create", "delete"])
async def test_after_an_open_outcome_it_is_looked_at_first(
    make_fleet: MakeFleet, verb: str, trouble: str
) -> None:
    fleet = make_fleet()
    if verb == "delete":
        await fleet.want("w-1")
        await fleet.until(lambda: fleet.states()["w-1"] == "joining")
        fleet.calls.made.clear()
    meet(fleet, verb, PASSING[trouble])
    if verb == "create":
        await fleet.want("w-1")
    else:
        await fleet.end("w-1")
    over = "joining" if verb == "create" else "terminated"
    await fleet.until(lambda: fleet.states()["w-1"] == over)
    verbs = [called for _, called, worker in fleet.calls.made if worker == "w-1"]
    assert verbs[:2] == [verb, "get"]


async def test_a_removal_that_does_not_end_is_told_and_begun_again(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(settings=PretendSettings(delete_s=5_000))
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "joining")
    await fleet.end("w-1")
    await asyncio.sleep(1_790)
    assert not fleet.events("worker.trouble")
    await asyncio.sleep(2_000)
    (told,) = fleet.events("worker.trouble")
    assert "has not gone within 30 min of its removal" in told
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated", 2_000)
    verbs = [called for _, called, worker in fleet.calls.made if worker == "w-1"]
    assert verbs.count("delete") == 3


async def test_a_name_that_is_taken_is_adopted_when_it_is_ours(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    meet(fleet, "create", Order(fault=Fault.ANSWER_LOST))
    meet(fleet, "get", Order(fault=Fault.REFUSED, error=NotFound("not yet")))
    meet(fleet, "create", Order(fault=Fault.REFUSED, error=AlreadyExists("w-1")))
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "joining")
    assert fleet.world.made == 1


async def test_a_name_that_somebody_else_has_fails_the_action(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    meet(fleet, "create", Order(fault=Fault.REFUSED, error=AlreadyExists("w-1"), times=9))
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "failed")
    assert any("the name w-1 is in use" in text for text in fleet.events("worker.failed"))


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("create", None),
        ("create", Machine(worker=WorkerName("other"), handle="h", phase=Phase.RUNNING)),
        ("create", "ok"),
        ("list", None),
        ("list", Listing(machines=(None,))),  # type: ignore[arg-type]
        ("get", 7),
        ("delete", None),
    ],
)
async def test_answers_that_cannot_be_are_faults_of_the_driver(
    make_fleet: MakeFleet, verb: str, answer: object
) -> None:
    fleet = make_fleet("cloud", "other", settings=SLOW)
    fleet.world.lie(verb, answer, times=3)
    await fleet.want("o-1", driver="other")
    await fleet.want("w-1")
    await fleet.until(lambda: fleet.states()["o-1"] == "joining")
    await fleet.until(lambda: fleet.states()["w-1"] in ("joining", "terminated", "failed"))
    if fleet.states()["w-1"] == "joining":
        await fleet.end("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] in ("terminated", "failed"))
    await asyncio.sleep(120)
    assert fleet.machines() == []
    assert any("has a bug" in text for text in fleet.events("driver.fault"))
    assert not any("loop failed" in text for text in fleet.events("loop.failed"))


async def test_a_fault_is_told_once_a_minute(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    meet(fleet, "list", Order(fault=Fault.REFUSED, error=ValueError("bad page"), times=1000))
    await asyncio.sleep(600)
    assert 1 < len(fleet.events("driver.fault")) <= 11


@pytest.mark.parametrize("fault", [Fault.REQUEST_LOST, Fault.REFUSED])
async def test_one_provider_holds_up_no_other(make_fleet: MakeFleet, fault: Fault) -> None:
    """For as long as it likes, with every verb, and with many workers to make."""
    fleet = make_fleet("bad", "good")
    bad = Order(fault=fault, error=ValueError("boom"), times=100_000)
    meet(fleet, "*", bad, "bad")
    await fleet.want(*[f"b-{number}" for number in range(30)], driver="bad")
    await fleet.want(*[f"g-{number}" for number in range(20)], driver="good")
    good = {f"g-{number}" for number in range(20)}
    await fleet.until(lambda: all(fleet.states()[name] == "joining" for name in good), limit_s=5)
    fleet.worlds["good"].lose("g-7")
    await fleet.until(lambda: fleet.states()["g-7"] == "terminated", limit_s=30)


async def test_a_rate_limit_is_kept(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    meet(fleet, "create", Order(fault=Fault.REFUSED, error=RateLimited("slower", 120)))
    await fleet.want("w-1")
    await asyncio.sleep(100)
    assert fleet.calls.made.count(("cloud", "create", "w-1")) == 1
    await fleet.until(lambda: fleet.states()["w-1"] == "joining", limit_s=30)


async def test_a_worker_that_is_not_wanted_any_more_is_not_made(make_fleet: MakeFleet) -> None:
    """It is told to go while its creation waits for its next try."""
    fleet = make_fleet()
    meet(fleet, "create", Order(fault=Fault.REFUSED, error=RateLimited("slower", 250)))
    await fleet.want("w-1")
    await asyncio.sleep(10)
    await fleet.end("w-1")
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated", limit_s=10)
    assert fleet.world.made == 0


async def test_a_restart_goes_on_where_the_provider_is(make_fleet: MakeFleet) -> None:
    """The operation is asked for, not begun anew: creations, and removals."""
    fleet = make_fleet(settings=PretendSettings(create_s=60, delete_s=60))
    await fleet.want("w-1")
    await fleet.until(lambda: ("cloud", "get", "w-1") in fleet.calls.made)
    await fleet.crash()
    fleet.calls.made.clear()
    await fleet.until(lambda: fleet.states()["w-1"] == "joining")
    assert ("cloud", "create", "w-1") not in fleet.calls.made
    fleet.calls.made.clear()
    await fleet.end("w-1")
    await fleet.until(lambda: ("cloud", "get", "w-1") in fleet.calls.made)
    await fleet.crash()
    fleet.calls.made.clear()
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated")
    assert ("cloud", "delete", "w-1") not in fleet.calls.made
    assert fleet.machines() == []


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.5, 3.0, 7.0])
async def test_a_server_that_is_cut_off_anywhere_makes_one_and_leaves_none(
    make_fleet: MakeFleet, after_s: float
) -> None:
    fleet = make_fleet(settings=SLOW)
    await fleet.want("w-1")
    await asyncio.sleep(after_s)
    await fleet.crash()
    await fleet.until(lambda: fleet.states()["w-1"] == "joining")
    assert (fleet.world.made, fleet.machines()) == (1, ["w-1"])
    await fleet.end("w-1")
    await asyncio.sleep(after_s)
    await fleet.crash()
    await fleet.until(lambda: fleet.states()["w-1"] == "terminated")
    assert fleet.machines() == []
