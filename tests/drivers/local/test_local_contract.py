"""The local driver keeps the contract with real agent processes, and leaves none behind."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from herder.drivers.local import LocalDriver, LocalSettings
from herder.drivers.local.driver import _Record
from herder.drivers.local.processes import Found, family, processes
from herder.model.fleet.driver import (
    Driver,
    DriverContext,
    InvalidRequest,
    Listing,
    Machine,
    OutOfCapacity,
    Phase,
    StartData,
)
from herder.model.ids import WorkerName
from herder.testing.driver_contract import SECRET, DriverContract
from herder.wire.kind_settings import faults
from herder.wire.worker import startup
from tests.agent.fake_server import FakeServer
from tests.support.deep_folders import nest

CONTRACT = DriverContract()


def _installation() -> str:
    return f"driver-test-{os.getpid()}"


def _until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettings:
    return LocalSettings(data_folder=tmp_path / "data")


def _context(installation: str | None = None) -> DriverContext:
    return DriverContext(name="local", installation=installation or _installation())


class TestLocalDriver(DriverContract):
    @pytest.fixture
    def driver(self, settings: LocalSettings) -> LocalDriver:
        return LocalDriver(settings, _context())

    def reopen(self, driver: Driver) -> Driver:
        return LocalDriver(driver._settings, _context())

    def stranger(self, driver: Driver) -> Driver:
        folder = driver._settings.data_folder
        return LocalDriver(LocalSettings(data_folder=folder.parent / "theirs"), _context("theirs"))

    def broken(self, driver: Driver) -> Driver:
        path = driver._settings.data_folder.parent / "a-file"
        path.write_text("")
        return LocalDriver(LocalSettings(data_folder=path), _context())

    def hanging(self, driver: Driver, verb: str) -> tuple[Driver, Callable[[], None]]:
        let_go, create, calls = threading.Event(), driver.create, []

        def hangs_once(*arguments: Any) -> Machine:
            calls.append(arguments)
            if len(calls) == 1:
                let_go.wait(10)
            return create(*arguments)

        driver.create = hangs_once
        return driver, let_go.set

    def leftovers(self, driver: Driver, worker: WorkerName) -> list[str]:
        return [str(each) for each in processes(_installation()) if each.worker == worker]

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        pids = [each.pid for each in processes(_installation()) if each.worker == worker]
        assert pids
        return " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in pids)


@pytest.fixture
def driver(settings: LocalSettings) -> Driver:
    driver = LocalDriver(settings, _context())
    yield driver
    for machine in driver.list():
        driver.delete(machine.worker)


def test_an_ended_agent_is_still_a_machine_and_no_zombie(driver: LocalDriver) -> None:
    machine = driver.create(CONTRACT.spec("w"), CONTRACT.start_data())
    pid = int(machine.handle.partition("@")[0])
    os.kill(pid, signal.SIGKILL)
    _until(lambda: not driver.get(machine.worker).running)
    assert [(each.running, each.handle) for each in driver.list()] == [(False, machine.handle)]
    assert not psutil.pid_exists(pid)
    driver.delete(machine.worker)
    assert driver.list() == Listing(machines=())


def test_the_console_outlives_the_worker_within_bounds(tmp_path: Path) -> None:
    settings = LocalSettings(data_folder=tmp_path, consoles_kept=2, console_most_bytes=100)
    driver = LocalDriver(settings, _context())
    for number in range(4):
        worker = driver.create(CONTRACT.spec(f"w-{number}"), CONTRACT.start_data()).worker
        log = tmp_path / "workers" / worker / "agent.log"
        with log.open("a") as file:
            file.write("x" * 1000 + f"last words of {worker}\n")
        driver.delete(worker)
        assert f"last words of {worker}" in driver.console(worker)
        assert log.stat().st_size <= 100
        assert os.listdir(log.parent) == ["agent.log"]
    assert sorted(os.listdir(tmp_path / "workers")) == ["w-2", "w-3"]


def test_the_number_of_workers_is_bounded(tmp_path: Path) -> None:
    driver = LocalDriver(LocalSettings(data_folder=tmp_path, workers_most=1), _context())
    driver.create(CONTRACT.spec("a"), CONTRACT.start_data())
    with pytest.raises(OutOfCapacity):
        driver.create(CONTRACT.spec("b"), CONTRACT.start_data())
    driver.delete(WorkerName("a"))
    driver.create(CONTRACT.spec("b"), CONTRACT.start_data())
    driver.delete(WorkerName("b"))


def test_secrets_of_the_server_do_not_reach_the_worker(
    driver: LocalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERDER_DATABASE_PASSWORD", "hush")
    machine = driver.create(CONTRACT.spec("w"), CONTRACT.start_data())
    process = psutil.Process(int(machine.handle.partition("@")[0]))
    environment = process.environ()
    for _ in range(200):  # for an instant within its start a process shows none
        if environment:
            break
        time.sleep(0.01)
        environment = process.environ()
    assert "HERDER_DATABASE_PASSWORD" not in environment
    assert environment["HERDER_ACTIVATION_TOKEN"] == SECRET
    log = driver._settings.data_folder / "workers" / "w" / "agent.log"
    assert log.stat().st_mode & 0o077 == 0


async def test_killing_the_agent_and_deleting_the_worker_leaves_no_process(driver: LocalDriver) -> None:
    """Also not of attempts whose agent can end them no more."""
    mark = f"1300.{os.getpid()}"

    def alive() -> list[psutil.Process]:
        return [
            each for each in psutil.process_iter(["cmdline"]) if mark in " ".join(each.info["cmdline"] or [])
        ]

    async with FakeServer() as server:
        start = StartData(server_url=server.url, activation_token="t", self_delete_after_s=30)
        machine = await asyncio.to_thread(driver.create, CONTRACT.spec("w"), start)
        server.shell(1, f"sleep {mark} & setsid sleep {mark} & setsid env -i /bin/sleep {mark} & wait")
        server.shell(2, f"sh -c 'sleep {mark} & sleep {mark}'; true")
        await server.until(lambda: len(alive()) >= 7)
        os.kill(int(machine.handle.partition("@")[0]), signal.SIGKILL)
        await server.until(lambda: not driver.get(machine.worker).running)
        orphans = [each.pid for each in alive()]
        assert orphans
        await asyncio.to_thread(driver.delete, machine.worker)
    hidden = [each for each in alive() if not each.environ()]
    for process in hidden:
        process.kill()  # README: what cleared its environment and lost its agent cannot be connected to it
    assert [each for each in alive() if each not in hidden] == []
    assert len(hidden) <= 1


async def test_deleting_a_working_worker_leaves_nothing_at_all(driver: LocalDriver) -> None:
    mark = f"1301.{os.getpid()}"

    def alive() -> list[int]:
        return [
            each.pid
            for each in psutil.process_iter(["cmdline"])
            if mark in " ".join(each.info["cmdline"] or [])
        ]

    async with FakeServer() as server:
        start = StartData(server_url=server.url, activation_token="t", self_delete_after_s=30)
        machine = await asyncio.to_thread(driver.create, CONTRACT.spec("w"), start)
        server.shell(1, f"setsid env -i /bin/sleep {mark} & setsid sleep {mark} & sleep {mark}")
        await server.until(lambda: len(alive()) >= 3)
        await asyncio.to_thread(driver.delete, machine.worker)
    assert alive() == []
    assert os.listdir(driver._settings.data_folder / "workers" / "w") == ["agent.log"]


def test_a_worker_goes_although_the_clock_was_set(
    driver: LocalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour ahead, as after a virtual machine's pause: its processes are still the ones that were started."""
    machine = driver.create(CONTRACT.spec("w"), CONTRACT.start_data())
    assert driver.list().machines == (machine,)
    real = psutil._pslinux.boot_time
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: real() + 3600)
    assert driver.list().machines == (machine,)
    driver.delete(machine.worker)
    assert [each for each in processes(_installation()) if each.worker == machine.worker] == []


def test_one_look_that_misses_a_process_is_no_proof_that_it_is_gone(
    driver: LocalDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = driver.create(CONTRACT.spec("w"), CONTRACT.start_data())
    monkeypatch.setattr("herder.drivers.local.processes.processes", _missing_once())
    driver.delete(machine.worker)
    assert [each for each in processes(_installation()) if each.worker == machine.worker] == []


def _missing_once() -> Callable[[str], list[Found]]:
    looks = []

    def look(installation: str) -> list[Found]:
        looks.append(installation)
        return [] if len(looks) == 1 else processes(installation)

    return look


def test_a_family_is_marks_sessions_and_descent_and_no_more() -> None:
    def process(pid: int, parent: int, session: int, worker: str = "", agent: bool = False) -> Found:
        return Found(pid, 1.0, parent, session, worker, agent)

    found = [
        process(1, 0, 1),
        process(2, 1, 2),
        process(10, 2, 10, "a", agent=True),
        process(11, 10, 11, "a"),
        process(12, 11, 11),
        process(13, 12, 13),
        process(14, 1, 11),
        process(20, 2, 20, "b", agent=True),
        process(21, 20, 21, "b"),
        process(30, 2, 2, "a"),
        process(31, 2, 2),
    ]
    assert sorted(each.pid for each in family(found, "a")) == [10, 11, 12, 13, 14, 30]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as others")
async def test_with_run_as_a_job_cannot_read_the_servers_secrets(tmp_path: Path) -> None:
    """The token of the administrator lies above the scratch folder of a local worker: readable without it, not with it."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    token = data / "admin.token"
    token.write_text("hush\n")
    token.chmod(0o600)
    seen = {}
    for run_as in ("", "65534:65534"):
        driver = LocalDriver(LocalSettings(data_folder=data, run_as=run_as), _context())
        async with FakeServer() as server:
            start = StartData(server_url=server.url, activation_token="t", self_delete_after_s=30)
            await asyncio.to_thread(driver.create, CONTRACT.spec("w"), start)
            key = server.shell(1, f"id -u; cat {token}; echo '7' > $HERDER_RESULT")
            end = await server.end_of(key, 30)
            assert (end.state, bytes(end.result).strip()) == ("succeeded", b"7"), end.message
            seen[run_as] = server.logs[key].split()
            await asyncio.to_thread(driver.delete, WorkerName("w"))
        assert not driver.work_folder("w").exists()
    assert seen[""] == ["0", "hush"]
    assert seen["65534:65534"][0] == "65534"
    assert "hush" not in seen["65534:65534"]


def test_run_as_needs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = LocalDriver(LocalSettings(data_folder=tmp_path, run_as="nobody"), _context())
    driver.health()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InvalidRequest, match="only root"):
        driver.health()


class _CutOff(LocalDriver):
    """The server dies where a real one could: after the record and before the start, or between the start and the second record."""

    def __init__(self, settings: LocalSettings, *, records: int) -> None:
        super().__init__(settings, _context())
        self._records_left = records

    def _record(self, folder: Path, handle: str) -> None:
        if self._records_left == 0:
            raise KeyboardInterrupt
        self._records_left -= 1
        super()._record(folder, handle)


def test_a_start_that_was_cut_off_leaves_no_scratch(settings: LocalSettings) -> None:
    """Killed after the process was started: it is found by its marks. Killed before: the record is listed, and made or removed."""
    killed = _CutOff(settings, records=1)
    with pytest.raises(KeyboardInterrupt):
        killed.create(CONTRACT.spec("w"), CONTRACT.start_data())
    again = LocalDriver(settings, _context())
    machine = again.get(WorkerName("w"))
    assert (machine.phase, bool(machine.handle)) == (Phase.RUNNING, True)
    assert again.create(CONTRACT.spec("w"), CONTRACT.start_data()).handle == machine.handle
    again.delete(machine.worker)
    killed._reap()

    folder = Path(str(settings.data_folder)) / "workers"
    again._record(folder / "w", _Record(handle="", tags=None))
    (folder / "w" / "work").mkdir()
    (folder / "w" / "work" / "scratch").write_text("47 MB")
    (listed,) = again.list()
    assert (listed.phase, listed.detail) == (Phase.STOPPED, "its start was interrupted")
    made = again.create(CONTRACT.spec("w"), CONTRACT.start_data())
    assert made.phase is Phase.RUNNING
    again.delete(made.worker)
    assert os.listdir(folder / "w") == ["agent.log"]


def test_folders_that_no_record_knows_are_cleared(settings: LocalSettings) -> None:
    driver = LocalDriver(settings, _context())
    lost = Path(str(settings.data_folder)) / "workers" / "lost"
    (lost / "work").mkdir(parents=True)
    (lost / "work" / "scratch").write_text("47 MB")
    nest(lost / "work" / "1-1")
    (lost / "agent.log").write_text("last words")
    assert driver.list() == Listing(machines=())
    assert os.listdir(lost) == ["agent.log"]


@pytest.mark.parametrize(("mib", "told"), [(None, None), (0, "0"), (2048, "2048")])
def test_the_size_of_the_cache_of_inputs_reaches_the_agent(
    tmp_path: Path, mib: int | None, told: str | None
) -> None:
    driver = LocalDriver(LocalSettings(data_folder=tmp_path, url_cache_mib=mib), _context())
    machine = driver.create(CONTRACT.spec("a"), CONTRACT.start_data())
    process = psutil.Process(driver._children[machine.worker].pid)
    give_up_at = time.monotonic() + 30
    while not (found := process.environ()):  # the kernel has not laid it out yet
        assert time.monotonic() < give_up_at
    assert found[startup.DATA_CACHE_MIB] == (told or "")
    driver.delete(machine.worker)


def test_a_negative_size_of_the_cache_of_inputs_is_refused() -> None:
    (fault,) = faults("Driver", "local", LocalSettings, {"url_cache_mib": -1}, "{}: …")
    assert (fault.setting, fault.message) == (
        "url_cache_mib",
        "The value -1 is not possible: it must be at least 0.",
    )
