"""The pretend driver keeps the contract, and its world can be made to go wrong."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from herder.drivers.pretend import PretendDriver, PretendSettings, PretendWorld
from herder.model.fleet.driver import (
    Driver,
    DriverContext,
    Listing,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    RateLimited,
    StartData,
    Unavailable,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.testing.driver_contract import DriverContract

CONTRACT = DriverContract()
START = CONTRACT.start_data()


class TestPretendDriver(DriverContract):
    """On a clock that the hooks move."""

    @pytest.fixture
    def driver(self) -> PretendDriver:
        self.clock = Clock()
        return PretendDriver(PretendSettings(), PretendWorld(self.clock))

    def pass_time(self, driver: Driver) -> None:
        self.clock.ms += 1_000

    def reopen(self, driver: Driver) -> Driver:
        return PretendDriver(driver.settings, driver.world)

    def stranger(self, driver: Driver) -> Driver:
        context = DriverContext(installation="theirs", name="pretend")
        return PretendDriver(PretendSettings(), driver.world, context)

    def broken(self, driver: Driver) -> Driver:
        world = PretendWorld()
        world.fail("*", Unavailable("the provider is down"), times=1000)
        return PretendDriver(PretendSettings(), world)

    def slow(self, driver: Driver) -> Driver:
        return PretendDriver(
            PretendSettings(create_s=30, configure_s=10, start_s=5, delete_s=20), driver.world
        )

    def lagging(self, driver: Driver) -> Driver:
        driver.world.list_lag_s = 20
        return driver

    def partial(self, driver: Driver) -> Driver:
        driver.world.listed_most = 1
        return driver

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        driver.world.fail(verb, OutcomeUnknown("timed out"), after=True)
        return driver

    def hanging(self, driver: Driver, verb: str) -> tuple[Driver, Callable[[], None]]:
        gate = driver.world.hang(verb)
        return driver, gate.release

    def leftovers(self, driver: Driver, worker: WorkerName) -> list[str]:
        return [each.handle for (_, name), each in driver.world.machines.items() if name == worker]


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(clock: Clock) -> PretendWorld:
    return PretendWorld(clock)


def _spec(name: str) -> WorkerSpec:
    return CONTRACT.spec(name)


def test_boot_takes_its_time_and_is_told_once(world: PretendWorld, clock: Clock) -> None:
    driver = PretendDriver(PretendSettings(boot_s=90), world)
    start = StartData(server_url="http://s", activation_token="t", self_delete_after_s=1)
    machine = driver.create(_spec("a"), start)
    assert (machine.running, machine.detail) == (True, "booting")
    assert world.newly_booted() == []
    clock.ms += 89_999
    assert world.newly_booted() == []
    clock.ms += 1
    (booted,) = world.newly_booted()
    assert (booted.spec.name, booted.start, booted.at_ms) == ("a", start, clock.ms)
    assert world.newly_booted() == []
    assert driver.get(WorkerName("a")).detail == ""


def test_boot_times_spread_but_repeat(clock: Clock) -> None:
    def times() -> list[int]:
        world = PretendWorld(clock)
        driver = PretendDriver(PretendSettings(boot_s=100, boot_spread=0.2), world)
        for number in range(50):
            driver.create(_spec(f"w-{number}"), START)
        return [machine.booted_at_ms - clock.ms for machine in world.machines.values()]

    assert times() == times()
    assert len(set(times())) > 40
    assert all(80_000 <= each <= 120_000 for each in times())


def test_a_fault_before_the_act_does_nothing(world: PretendWorld) -> None:
    driver = PretendDriver(PretendSettings(), world)
    world.fail("create", RateLimited("slower", retry_after_s=3), times=2, worker="a")
    driver.create(_spec("b"), START)
    for _ in range(2):
        with pytest.raises(RateLimited):
            driver.create(_spec("a"), START)
    assert [machine.worker for machine in driver.list()] == ["b"]
    driver.create(_spec("a"), START)
    assert [machine.worker for machine in driver.list()] == ["a", "b"]


def test_a_fault_after_the_act_loses_only_the_answer(world: PretendWorld) -> None:
    driver = PretendDriver(PretendSettings(), world)
    world.fail("create", OutcomeUnknown("timed out"), after=True)
    with pytest.raises(OutcomeUnknown):
        driver.create(_spec("a"), START)
    assert driver.get(WorkerName("a")).running
    world.fail("delete", OutcomeUnknown("timed out"), after=True)
    with pytest.raises(OutcomeUnknown):
        driver.delete(WorkerName("a"))
    assert driver.list() == Listing(machines=())


def test_machines_are_lost_and_halted(world: PretendWorld) -> None:
    driver = PretendDriver(PretendSettings(), world)
    for name in ("a", "b"):
        driver.create(_spec(name), START)
    world.lose("a")
    world.halt("b")
    with pytest.raises(NotFound):
        driver.get(WorkerName("a"))
    (left,) = driver.list()
    assert (left.worker, left.running, left.detail) == ("b", False, "halted")
    assert world.newly_booted() == []


def test_capacity_ends(world: PretendWorld) -> None:
    driver = PretendDriver(PretendSettings(machines_most=2), world)
    for name in ("a", "b", "b"):
        driver.create(_spec(name), START)
    with pytest.raises(OutOfCapacity):
        driver.create(_spec("c"), START)
    assert len(driver.list()) == 2


def test_each_zone_sells_spot_for_itself_and_takes_it_back(world: PretendWorld) -> None:
    driver = PretendDriver(PretendSettings(spot_machines_most=1), world)

    def make(name: str, zone: str, *, spot: bool) -> None:
        driver.create(replace(_spec(name), zone=zone, spot=spot), START)

    make("a", "one", spot=True)
    make("a", "one", spot=True)  # it is there already
    with pytest.raises(OutOfCapacity, match="no spot capacity in zone one"):
        make("b", "one", spot=True)
    make("b", "two", spot=True)
    make("c", "one", spot=False)
    assert world.interrupt("one") == ["a"]
    assert [machine.worker for machine in driver.list()] == ["b", "c"]
    with pytest.raises(OutOfCapacity):
        make("d", "one", spot=True)
    world.sold_out.clear()
    make("d", "one", spot=True)
    world.sold_out.add(("two", False))
    with pytest.raises(OutOfCapacity, match="no on-demand capacity in zone two"):
        make("e", "two", spot=False)


def test_calls_are_recorded(world: PretendWorld, clock: Clock) -> None:
    driver = PretendDriver(PretendSettings(), world)
    driver.create(_spec("a"), START)
    driver.list()
    assert world.calls == [(clock.ms, "create", "a"), (clock.ms, "list", "")]


def test_a_removal_that_takes_its_time_is_seen(world: PretendWorld, clock: Clock) -> None:
    driver = PretendDriver(PretendSettings(delete_s=20), world)
    driver.create(_spec("a"), START)
    going = driver.delete(WorkerName("a"))
    assert (going.phase, going.operation) == (Phase.STOPPING, "delete-pretend-1")
    assert [each.phase for each in driver.list()] == [Phase.STOPPING]
    clock.ms += 20_000
    with pytest.raises(NotFound):
        driver.get(WorkerName("a"), going.operation)


def test_lies_are_told_and_nothing_is_done(world: PretendWorld) -> None:
    driver = PretendDriver(PretendSettings(), world)
    driver.create(_spec("a"), START)
    world.lie("list", Listing(machines=()))
    assert len(driver.list()) == 0
    assert len(driver.list()) == 1
    world.concealed.add("a")
    assert driver.list() == Listing(machines=())
    with pytest.raises(NotFound):
        driver.get(WorkerName("a"))
    world.concealed.clear()
    assert driver.get(WorkerName("a")).phase is Phase.RUNNING


def test_a_request_that_is_doubled_on_its_way_makes_one(world: PretendWorld) -> None:
    driver = PretendDriver(PretendSettings(), world)
    world.double("create")
    driver.create(_spec("a"), START)
    assert (world.made, len(driver.list())) == (1, 1)
    world.double("delete")
    with pytest.raises(NotFound):
        driver.delete(WorkerName("a"))
    assert len(driver.list()) == 0
