"""What an agent reports of its machine beside its attempts: pressure, its clock; and the clean-up that the server asks for."""

import os
import time
from pathlib import Path

import pytest

from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.clean_up import clean_up
from herder.agent.machine.health import Health
from herder.agent.machine.pressure import EASED, Pressures
from herder.model.fleet.repair import Condition
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer
from tests.support.small_disk import fill, small_disk


def settings(folder: Path, **more: object) -> AgentSettings:
    return AgentSettings(server_url="http://x", worker="w", activation_token="t", work_folder=folder, **more)  # type: ignore[arg-type]


def proc(
    folder: Path, *, free_mib: int = 4000, total_mib: int = 8000, tasks: int = 300, most: int = 4000
) -> Path:
    """A /proc of our own."""
    (folder / "sys/kernel").mkdir(parents=True, exist_ok=True)
    (folder / "meminfo").write_text(
        f"MemTotal: {total_mib * 1024} kB\nMemFree: 17 kB\nMemAvailable: {free_mib * 1024} kB\nHugePages_Total: 0\n"
    )
    (folder / "loadavg").write_text(f"0.00 0.01 0.05 1/{tasks} 4711\n")
    (folder / "sys/kernel/pid_max").write_text(f"{most}\n")
    (folder / "sys/kernel/threads-max").write_text("63000\n")
    return folder


def test_little_memory_is_pressure_and_ends_when_clearly_more_is_free(tmp_path: Path) -> None:
    fake = tmp_path / "proc"
    pressures = Pressures(settings(tmp_path), proc(fake, free_mib=99))
    assert pressures.look() == {Condition.MEMORY_PRESSURE: "The machine has 99 of 8,000 MiB of memory free."}
    proc(fake, free_mib=int(100 * EASED) - 1)
    assert pressures.look() == {Condition.MEMORY_PRESSURE: "The machine has 99 of 8,000 MiB of memory free."}
    proc(fake, free_mib=int(100 * EASED))
    assert pressures.look() == {}


def test_of_a_small_machine_a_part_counts(tmp_path: Path) -> None:
    """100 MiB of 1,000 are plenty where 5 % is 50."""
    fake = tmp_path / "proc"
    pressures = Pressures(settings(tmp_path), proc(fake, free_mib=90, total_mib=1000))
    assert pressures.look() == {}
    proc(fake, free_mib=49, total_mib=1000)
    assert list(pressures.look()) == [Condition.MEMORY_PRESSURE]


def test_few_process_ids_are_pressure(tmp_path: Path) -> None:
    fake = tmp_path / "proc"
    pressures = Pressures(settings(tmp_path), proc(fake, tasks=3801))
    assert pressures.look() == {Condition.PID_PRESSURE: "The machine has 199 of 4,000 process ids free."}


def test_what_cannot_be_read_is_not_known_and_no_pressure(tmp_path: Path) -> None:
    pressures = Pressures(settings(tmp_path / "gone"), tmp_path / "nothing")
    assert pressures.look() == {}
    fake = proc(tmp_path / "proc")
    for name in ("meminfo", "loadavg"):
        (fake / name).write_text("what?\n")
    assert Pressures(settings(tmp_path), fake).look() == {}


def test_this_machine_can_be_read(tmp_path: Path) -> None:
    everything = settings(
        tmp_path, free_least_part=1.0, disk_free_least_mib=10**9, memory_free_least_mib=10**9
    )
    assert set(Pressures(everything).look()) == {
        Condition.DISK_PRESSURE,
        Condition.MEMORY_PRESSURE,
        Condition.PID_PRESSURE,
    }


def test_a_disk_that_is_nearly_full_is_pressure_before_attempts_fail(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 100) as disk:
        work = disk / "work"
        health = Health(settings(work))
        assert health.troubles(0.0) == []
        assert health.conditions() == []
        filler = fill(disk, leave_bytes=3 * 2**20)
        assert health.troubles(31.0) == []
        ((name, said),) = health.conditions()
        assert name == "DiskPressure"
        assert said.startswith("The file system of the work folder has ")
        os.unlink(filler)
        fill(disk)
        (trouble,) = health.troubles(62.0)
        assert health.conditions() == [("DiskPressure", trouble)], "the server counts it once"


async def test_a_really_full_disk_is_cleaned_up_when_the_server_says_so(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        work = disk / "work"
        start_agent(work_folder=work)
        await server.end_of(server.shell(1, "true"))
        left = work / "17-2"
        left.mkdir()
        fill(left)
        await server.end_of(server.shell(2, "true", inputs={"a": "x" * 9000}))
        await server.until(lambda: "DiskPressure" in server.conditions[-1])
        server.clean_up = True
        server.nudge()
        await server.until(lambda: server.cleaned != [])
        assert server.cleaned[0].startswith("It removed 2 files (")
        assert not left.exists()
        await server.until(lambda: server.conditions[-1] == {}, 5)
        assert (await server.end_of(server.shell(3, "exit 7"))).cause == "exit_code"


async def test_an_agent_tells_its_clock_with_each_beat(server: FakeServer, start_agent: StartAgent) -> None:
    start_agent()
    await server.until(lambda: len(server.clocks) >= 2)
    assert abs(server.clocks[-1] - time.time() * 1000) < 5_000


def test_a_clean_up_removes_what_attempts_left_and_nothing_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    work = tmp_path / "work"
    (work / "1-1/deep/er").mkdir(parents=True)
    (work / "1-1/deep/er/file").write_text("x" * 5000)
    (work / "1-1/link").symlink_to(outside)
    (work / "1-1.out").write_text("said")
    (work / "2-1").mkdir()
    (work / "2-1.out").write_text("runs")
    (work / "3-1").symlink_to(outside)
    (work / "notes").mkdir()
    (work / "4-1.txt").write_text("not ours")
    assert clean_up(settings(work), {(2, 1)}).startswith("It removed 7 files (")
    assert sorted(each.name for each in work.iterdir()) == ["2-1", "2-1.out", "4-1.txt", "notes"]
    assert (outside / "precious").exists()
    assert clean_up(settings(tmp_path / "gone"), set()) == "It removed 0 files (0.0 MiB)."


def test_a_clean_up_is_bounded_and_the_next_one_goes_on(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "1-1").mkdir(parents=True)
    for number in range(5):
        (work / f"1-1/{number}").write_text("x")
    small = settings(work, clean_up_entries_most=4)
    assert "and more are left" in clean_up(small, set())
    assert clean_up(small, set()).startswith("It removed 2 files")
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("name", ["99999999999999999999-1", "1-1.json", "1-1.d", "1-1.inputs"])
def test_each_kind_of_leftover_is_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    clean_up(settings(tmp_path), set())
    assert list(tmp_path.iterdir()) == []
