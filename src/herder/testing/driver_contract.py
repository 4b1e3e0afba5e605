"""The suite that every driver passes. For authors of drivers, here and elsewhere; needs pytest.

Subclass `DriverContract` in a test module, give it a `driver` fixture, and override the hooks that your provider needs:

    class TestMyDriver(DriverContract):
        @pytest.fixture
        def driver(self, provider):
            return MyDriver(MySettings(endpoint=provider.url))

Each test leaves no machine behind when the driver keeps the contract.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from herder.model.driver import Driver, DriverError, Machine, NotFound, StartData
from herder.model.ids import PoolName, WorkerName
from herder.model.money import PicoUsd
from herder.model.resources import Resources
from herder.model.worker import WorkerSpec

SECRET = "activation-token-that-nobody-may-see"


class DriverContract:
    """Hooks first, then the contract. A hook that returns None skips the tests that need it."""

    #: Creations at the same time in the test of concurrency; 1 skips it.
    concurrency = 4

    @pytest.fixture
    def driver(self) -> Driver:
        raise NotImplementedError("give this class a fixture `driver` that returns your driver")

    def reopen(self, driver: Driver) -> Driver | None:
        """A new driver object on the same provider and installation, as after a restart of the server."""
        return None

    def stranger(self, driver: Driver) -> Driver | None:
        """A driver of another installation on the same provider."""
        return None

    def broken(self, driver: Driver) -> Driver | None:
        """A driver whose provider cannot be used now (unreachable, no rights)."""
        return None

    def leftovers(self, driver: Driver, worker: WorkerName) -> list[str] | None:
        """Whatever the provider still holds for this worker, read past the driver."""
        return None

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        """What other people at the provider can see of this worker (tags, arguments), read past the driver."""
        return ""

    def spec(self, name: str) -> WorkerSpec:
        return WorkerSpec(
            name=WorkerName(name),
            pool=PoolName("contract"),
            template="small",
            driver="contract",
            allocatable=Resources(1000, 512),
            slots=10,
            price_pico_per_hour=PicoUsd(0),
        )

    def start_data(self) -> StartData:
        """Nothing listens there: workers of this suite boot, find nobody, and go."""
        return StartData(server_url="http://127.0.0.1:9", activation_token=SECRET, self_delete_after_s=60.0)

    # --- plumbing

    @pytest.fixture(autouse=True)
    def clean(self, driver: Driver) -> Iterator[None]:
        yield
        for machine in driver.list():
            with suppress(NotFound):
                driver.delete(machine.worker)

    def make(self, driver: Driver, name: str) -> Machine:
        return driver.create(self.spec(name), self.start_data())

    def names(self, driver: Driver) -> list[str]:
        return sorted(machine.worker for machine in driver.list())

    def other(self, made: Driver | None) -> Driver:
        if made is None:
            pytest.skip("this driver's suite has no such hook")
        return made

    # --- the contract

    def test_it_has_a_name(self, driver: Driver) -> None:
        assert driver.name

    def test_health_says_nothing_when_all_is_well(self, driver: Driver) -> None:
        driver.health()

    def test_nothing_is_there_at_first(self, driver: Driver) -> None:
        assert self.names(driver) == []

    def test_what_was_made_is_seen(self, driver: Driver) -> None:
        machine = self.make(driver, "contract-1-0")
        assert machine.worker == "contract-1-0"
        assert machine.handle
        assert driver.get(machine.worker).handle == machine.handle
        assert [(each.worker, each.handle) for each in driver.list()] == [(machine.worker, machine.handle)]

    def test_making_it_twice_makes_one(self, driver: Driver) -> None:
        first = self.make(driver, "contract-1-0")
        second = self.make(driver, "contract-1-0")
        assert second.handle == first.handle
        assert self.names(driver) == ["contract-1-0"]

    def test_making_it_many_times_at_once_makes_one(self, driver: Driver) -> None:
        if self.concurrency < 2:
            pytest.skip("this provider cannot be called at once")
        with ThreadPoolExecutor(self.concurrency) as threads:
            futures = [threads.submit(self.make, driver, "contract-1-0") for _ in range(self.concurrency)]
            assert len({future.result().handle for future in futures}) == 1
        assert self.names(driver) == ["contract-1-0"]

    def test_deleting_removes_it_before_it_returns(self, driver: Driver) -> None:
        machine = self.make(driver, "contract-1-0")
        driver.delete(machine.worker)
        assert self.names(driver) == []
        with pytest.raises(NotFound):
            driver.get(machine.worker)
        assert (self.leftovers(driver, machine.worker) or []) == []

    def test_deleting_what_is_gone_says_so(self, driver: Driver) -> None:
        machine = self.make(driver, "contract-1-0")
        driver.delete(machine.worker)
        for name in (machine.worker, WorkerName("contract-never-was")):
            with pytest.raises(NotFound):
                driver.delete(name)

    def test_workers_are_apart(self, driver: Driver) -> None:
        """Also when one's name begins with the other's."""
        first, second = self.make(driver, "contract-1-1"), self.make(driver, "contract-1-11")
        assert first.handle != second.handle
        driver.delete(first.worker)
        assert self.names(driver) == ["contract-1-11"]
        assert driver.get(second.worker).handle == second.handle

    def test_unknown_workers_are_not_found(self, driver: Driver) -> None:
        for ask in (driver.get, driver.console):
            with pytest.raises(NotFound):
                ask(WorkerName("contract-never-was"))

    def test_console_is_text(self, driver: Driver) -> None:
        machine = self.make(driver, "contract-1-0")
        try:
            assert isinstance(driver.console(machine.worker), str)
        except NotFound:
            return  # it has printed nothing yet

    def test_a_restarted_server_finds_its_machines(self, driver: Driver) -> None:
        again = self.other(self.reopen(driver))
        machine = self.make(driver, "contract-1-0")
        assert [(each.worker, each.handle) for each in again.list()] == [(machine.worker, machine.handle)]
        assert self.make(again, "contract-1-0").handle == machine.handle
        again.delete(machine.worker)
        assert self.names(driver) == []

    def test_other_peoples_machines_are_invisible(self, driver: Driver) -> None:
        other = self.other(self.stranger(driver))
        mine = self.make(driver, "contract-1-0")
        assert other.list() == []
        for ask in (other.get, other.delete):
            with pytest.raises(NotFound):
                ask(mine.worker)
        theirs = self.make(other, "contract-1-0")
        try:
            assert theirs.handle != mine.handle
        finally:
            other.delete(theirs.worker)
        assert driver.get(mine.worker).handle == mine.handle

    def test_a_broken_provider_is_an_error_and_not_emptiness(self, driver: Driver) -> None:
        broken = self.other(self.broken(driver))
        name = WorkerName("contract-1-0")
        for ask in (broken.list, broken.health, lambda: broken.get(name), lambda: self.make(broken, name)):
            with pytest.raises(DriverError) as caught:
                ask()
            assert not isinstance(caught.value, NotFound)
            assert str(caught.value)
            assert SECRET not in str(caught.value)

    def test_a_name_that_cannot_be_is_refused(self, driver: Driver) -> None:
        with pytest.raises(DriverError):
            self.make(driver, "../contract")

    def test_the_token_is_not_shown(self, driver: Driver) -> None:
        machine = self.make(driver, "contract-1-0")
        shown = [repr(machine), repr(driver.list()), self.public_text(driver, machine.worker)]
        with suppress(NotFound):
            shown.append(driver.console(machine.worker))
        assert all(SECRET not in text for text in shown)
