"""The suite that every driver passes. For authors of drivers, here and elsewhere; needs pytest.

Subclass `DriverContract` in a test module, give it a `driver` fixture, and override the hooks that your provider needs:

    class TestMyDriver(DriverContract):
        @pytest.fixture
        def driver(self, provider):
            return MyDriver(MySettings(endpoint=provider.url), DriverContext(name="mine"))

Each test leaves no machine behind when the driver keeps the contract. A hook that answers None skips the tests that need it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from herder.model.fleet.creation import Step
from herder.model.fleet.driver import (
    Driver,
    DriverError,
    Listing,
    Machine,
    NotFound,
    OutcomeUnknown,
    Phase,
    StartData,
)
from herder.model.fleet.driver_capabilities import Console, Operations, ProviderOperation, Steps, steps_of
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources

SECRET = "activation-token-that-nobody-may-see"
#: Looks at a machine before it counts as stuck.
LOOKS = 300


class DriverContract:
    """Hooks first, then the contract."""

    #: Creations at the same time in the test of concurrency; 1 skips it.
    concurrency = 4

    @pytest.fixture
    def driver(self) -> Driver:
        raise NotImplementedError("give this class a fixture `driver` that returns your driver")

    def pass_time(self, driver: Driver) -> None:
        """Let the provider get on with what is under way: advance its clock, or wait a moment."""
        time.sleep(0.05)

    def reopen(self, driver: Driver) -> Driver | None:
        """A new driver object on the same provider and installation, as after a restart of the server."""
        return None

    def stranger(self, driver: Driver) -> Driver | None:
        """A driver of another installation on the same provider."""
        return None

    def broken(self, driver: Driver) -> Driver | None:
        """A driver whose provider cannot be used now (unreachable, no rights)."""
        return None

    def slow(self, driver: Driver) -> Driver | None:
        """One whose provider takes its time: what it makes is CREATING first (and what it removes may be STOPPING)."""
        return None

    def lagging(self, driver: Driver) -> Driver | None:
        """One whose listings show a new machine only when time has passed (eventual consistency)."""
        return None

    def partial(self, driver: Driver) -> Driver | None:
        """One whose provider answers only a part of a listing (a page, a region) once there are two machines."""
        return None

    def cut_off(self, driver: Driver, verb: str) -> Driver | None:
        """One whose next call of `verb` (create, delete) acts, and whose answer is lost."""
        return None

    def hanging(self, driver: Driver, verb: str) -> tuple[Driver, Callable[[], None]] | None:
        """One whose next call of `verb` hangs and acts only when it is let go, and the function that lets it go."""
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
        """Until it runs."""
        machine = driver.create(self.spec(name), self.start_data())
        for _ in range(LOOKS):
            if machine.phase is not Phase.CREATING:
                break
            self.pass_time(driver)
            machine = driver.get(machine.worker, machine.operation)
        assert machine.phase is Phase.RUNNING, f"it is {machine.phase.value}: {machine.detail}"
        return machine

    def remove(self, driver: Driver, worker: WorkerName) -> None:
        """Until it is gone."""
        machine = driver.delete(worker)
        for _ in range(LOOKS):
            if machine.phase is Phase.GONE:
                return
            assert machine.phase is Phase.STOPPING, f"after delete it is {machine.phase.value}"
            self.pass_time(driver)
            try:
                machine = driver.get(worker, machine.operation)
            except NotFound:
                return
        raise AssertionError(f"worker {worker} is still there: {machine}")

    def names(self, driver: Driver) -> list[str]:
        return sorted(machine.worker for machine in driver.list() if machine.phase is not Phase.GONE)

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
        assert driver.list() == Listing(machines=())

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

    def test_what_was_deleted_is_gone(self, driver: Driver) -> None:
        machine = self.make(driver, "contract-1-0")
        self.remove(driver, machine.worker)
        assert self.names(driver) == []
        with suppress(NotFound):
            assert driver.get(machine.worker).phase is Phase.GONE
        assert (self.leftovers(driver, machine.worker) or []) == []

    def test_deleting_what_is_gone_says_so(self, driver: Driver) -> None:
        machine = self.make(driver, "contract-1-0")
        self.remove(driver, machine.worker)
        for name in (machine.worker, WorkerName("contract-never-was")):
            with pytest.raises(NotFound):
                driver.delete(name)

    def test_workers_are_apart(self, driver: Driver) -> None:
        """Also when one's name begins with the other's."""
        first, second = self.make(driver, "contract-1-1"), self.make(driver, "contract-1-11")
        assert first.handle != second.handle
        self.remove(driver, first.worker)
        assert self.names(driver) == ["contract-1-11"]
        assert driver.get(second.worker).handle == second.handle

    def test_unknown_workers_are_not_found(self, driver: Driver) -> None:
        with pytest.raises(NotFound):
            driver.get(WorkerName("contract-never-was"))
        if isinstance(driver, Console):
            with pytest.raises(NotFound):
                driver.console(WorkerName("contract-never-was"))

    def test_console_is_text(self, driver: Driver) -> None:
        if not isinstance(driver, Console):
            pytest.skip("this driver has no console")
        machine = self.make(driver, "contract-1-0")
        with suppress(NotFound):  # it has printed nothing yet
            assert isinstance(driver.console(machine.worker), str)

    def test_operations_of_a_machine_are_told(self, driver: Driver) -> None:
        if not isinstance(driver, Operations):
            pytest.skip("this driver lists no operations")
        assert not driver.operations(WorkerName("contract-never-was"))
        machine = self.make(driver, "contract-0-1")
        found = driver.operations(machine.worker)
        assert found, "nothing is told of a machine that was made"
        assert all(isinstance(each, ProviderOperation) for each in found)
        assert {each.state for each in found} <= {"running", "done", "failed"}
        began = [each.began_ms or 0 for each in found]
        assert began == sorted(began, reverse=True), "the newest is not the first"

    def test_a_restarted_server_finds_its_machines(self, driver: Driver) -> None:
        again = self.other(self.reopen(driver))
        machine = self.make(driver, "contract-1-0")
        assert [(each.worker, each.handle) for each in again.list()] == [(machine.worker, machine.handle)]
        assert self.make(again, "contract-1-0").handle == machine.handle
        self.remove(again, machine.worker)
        assert self.names(driver) == []

    def test_other_peoples_machines_are_invisible(self, driver: Driver) -> None:
        other = self.other(self.stranger(driver))
        mine = self.make(driver, "contract-1-0")
        assert self.names(other) == []
        with pytest.raises(NotFound):
            other.get(mine.worker)
        with pytest.raises(NotFound):
            other.delete(mine.worker)
        theirs = self.make(other, "contract-1-0")
        try:
            assert theirs.handle != mine.handle
        finally:
            self.remove(other, theirs.worker)
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
        if isinstance(driver, Console):
            with suppress(NotFound):
                shown.append(driver.console(machine.worker))
        assert all(SECRET not in text for text in shown)

    # --- phases, and what goes wrong on the way

    def test_what_takes_long_goes_through_phases(self, driver: Driver) -> None:
        slow = self.other(self.slow(driver))
        begun = slow.create(self.spec("contract-1-0"), self.start_data())
        assert begun.phase is Phase.CREATING
        assert begun.operation
        assert slow.get(begun.worker, begun.operation).phase is Phase.CREATING
        assert self.names(slow) == ["contract-1-0"], "what is being made is listed"
        machine = self.make(slow, "contract-1-0")
        assert machine.handle
        self.remove(slow, machine.worker)
        assert self.names(slow) == []

    def test_steps_are_reported_in_order_and_by_their_names(self, driver: Driver) -> None:
        slow = self.other(self.slow(driver))
        if not isinstance(slow, Steps):
            pytest.skip("this driver does not tell steps apart")
        known = steps_of(slow)
        assert set(slow.steps) <= set(known), "only create, configure, start and boot are steps of a driver"
        machine, seen = slow.create(self.spec("contract-1-0"), self.start_data()), list[Step]()
        for _ in range(LOOKS):
            if machine.phase is not Phase.CREATING:
                break
            assert machine.step in known, f"step {machine.step} is not one of its steps {known}"
            if machine.step not in seen:
                seen.append(machine.step)
            again = self.reopen(slow) or slow
            assert again.get(machine.worker, machine.operation).step == machine.step
            self.pass_time(slow)
            machine = slow.get(machine.worker, machine.operation)
        assert machine.phase is Phase.RUNNING
        assert machine.step is None
        assert seen == sorted(seen, key=known.index)
        self.remove(slow, machine.worker)

    def test_a_restarted_server_goes_on_with_an_operation(self, driver: Driver) -> None:
        slow = self.other(self.slow(driver))
        begun = slow.create(self.spec("contract-1-0"), self.start_data())
        again = self.other(self.reopen(slow))
        machine = again.get(begun.worker, begun.operation)
        for _ in range(LOOKS):
            if machine.phase is not Phase.CREATING:
                break
            self.pass_time(again)
            machine = again.get(begun.worker, begun.operation)
        assert machine.phase is Phase.RUNNING
        assert self.names(slow) == ["contract-1-0"]
        self.remove(again, machine.worker)

    def test_a_listing_that_lags_catches_up_and_makes_no_second(self, driver: Driver) -> None:
        lagging = self.other(self.lagging(driver))
        first = self.make(lagging, "contract-1-0")
        assert self.make(lagging, "contract-1-0").handle == first.handle
        for _ in range(LOOKS):
            if self.names(lagging):
                break
            self.pass_time(lagging)
        assert self.names(lagging) == ["contract-1-0"]
        self.remove(lagging, first.worker)

    def test_a_part_of_a_listing_says_that_it_is_one(self, driver: Driver) -> None:
        partial = self.other(self.partial(driver))
        for name in ("contract-1-0", "contract-1-1"):
            self.make(partial, name)
        listing = partial.list()
        assert not listing.complete
        assert len(listing) < 2
        for name in ("contract-1-0", "contract-1-1"):
            assert partial.get(WorkerName(name)).phase is Phase.RUNNING
            self.remove(partial, WorkerName(name))

    @pytest.mark.parametrize("verb", ["create", "delete"])
    def test_a_lost_answer_is_an_open_outcome(self, driver: Driver, verb: str) -> None:
        if verb == "delete":
            self.make(driver, "contract-1-0")
        cut_off = self.other(self.cut_off(driver, verb))
        with pytest.raises(OutcomeUnknown):
            if verb == "create":
                self.make(cut_off, "contract-1-0")
            else:
                cut_off.delete(WorkerName("contract-1-0"))
        if verb == "create":
            machine = cut_off.get(WorkerName("contract-1-0"))
            assert self.make(cut_off, "contract-1-0").handle == machine.handle
        else:
            with suppress(NotFound):
                self.remove(cut_off, WorkerName("contract-1-0"))
            assert self.names(cut_off) == []

    def test_a_late_creation_and_its_repetition_make_one(self, driver: Driver) -> None:
        """The first call hangs beyond its deadline; it is made by a second one; then the first one acts."""
        made = self.hanging(driver, "create")
        if made is None:
            pytest.skip("this driver's suite has no such hook")
        hanging, let_go = made
        first = threading.Thread(
            target=hanging.create, args=(self.spec("contract-1-0"), self.start_data()), daemon=True
        )
        first.start()
        try:
            machine = self.make(hanging, "contract-1-0")
            assert hanging.list().machines, "one call that hangs holds up no other"
        finally:
            let_go()
        first.join(10)
        assert not first.is_alive()
        assert hanging.get(machine.worker).handle == machine.handle
        assert self.names(hanging) == ["contract-1-0"]
