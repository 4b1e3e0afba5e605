"""What the kernel enforces where it can: CPU by weight or as a cap, memory with /dev/shm. Real cgroups; and version 2 as files."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.agent.processes import cgroup_place
from herder.agent.processes.cgroup import Cgroup, CgroupV2, Limits, quota_us, shares_of, weight_of
from herder.agent.processes.cgroup_place import CgroupPlace, find_place
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer

BUSY = "import time\nend = time.monotonic() + {s}\nwhile time.monotonic() < end: pass"


@pytest.fixture
def place() -> Iterator[CgroupPlace]:
    found = find_place(None)
    if found is None:
        pytest.skip("this machine lets us make no cgroups with cpu and memory")
    yield found
    found.close()


@pytest.mark.usefixtures("place")
async def test_a_hard_cap_holds_although_the_machine_is_idle(
    server: FakeServer, start_agent: StartAgent
) -> None:
    """CPU time over wall time, so that a busy machine can only make it less."""
    start_agent()
    key = server.assign(1, command=["python3", "-c", BUSY.format(s=2)], cpu_milli=200, cpu_hard=True)
    end = await server.end_of(key, 30)
    assert end.state == "succeeded"
    assert 0 < end.cpu_ms < 0.5 * (end.ended_at_ms - end.started_at_ms)


@pytest.mark.usefixtures("place")
async def test_a_weight_is_no_cap(server: FakeServer, start_agent: StartAgent) -> None:
    """100m that needs 0.6 s of CPU: under a hard cap that takes 6 s; as a weight as long as the machine lets it. Measured against
    a busy loop beside it in this process, which is slowed by the same load."""
    start_agent()
    script = "import time\nwhile time.process_time() < 0.6: pass"
    key = server.assign(1, command=["python3", "-c", script], cpu_milli=100)
    end = await server.end_of(key, 60)
    capped = server.assign(2, command=["python3", "-c", script], cpu_milli=100, cpu_hard=True)
    slow = await server.end_of(capped, 60)
    assert slow.ended_at_ms - slow.started_at_ms > 3000
    assert end.ended_at_ms - end.started_at_ms < slow.ended_at_ms - slow.started_at_ms


@pytest.mark.usefixtures("place")
async def test_files_in_shared_memory_count(server: FakeServer, start_agent: StartAgent) -> None:
    start_agent()
    name = f"/dev/shm/herder-test-{os.getpid()}"
    try:
        script = f"sleep 0.3; head -c 100000000 /dev/zero > {name}; sleep 30"
        end = await server.end_of(server.shell(1, script, memory_mib=48), 20)
        assert (end.state, end.cause) == ("failed", "out_of_memory"), end.message
        assert "48 MiB" in end.message
        assert os.path.getsize(name) < 60_000_000
    finally:
        Path(name).unlink(missing_ok=True)


@pytest.mark.usefixtures("place")
async def test_a_small_file_in_shared_memory_is_in_the_peak(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent()
    name = f"/dev/shm/herder-test-{os.getpid()}"
    try:
        script = f"sleep 0.3; head -c 40000000 /dev/zero > {name}; rm {name}"
        end = await server.end_of(server.shell(1, script, memory_mib=256), 20)
        assert end.state == "succeeded"
        assert 38 <= end.memory_peak_mib < 80
    finally:
        Path(name).unlink(missing_ok=True)


@pytest.mark.usefixtures("place")
async def test_a_job_that_reads_large_files_is_not_out_of_memory(
    server: FakeServer, start_agent: StartAgent
) -> None:
    """What the kernel keeps of files to read them faster is not the job's memory."""
    start_agent()
    script = "head -c 90000000 /dev/zero > big; cat big > /dev/null; rm big; exit 3"
    end = await server.end_of(server.shell(1, script, memory_mib=48), 20)
    assert (end.cause, end.exit_code, end.message) == ("exit_code", 3, "Exit code 3.")
    assert end.memory_peak_mib <= 48, (
        "files that it has removed may be counted in the peak, never beyond the limit"
    )


@pytest.mark.usefixtures("place")
async def test_a_child_that_the_kernel_killed_is_told(server: FakeServer, start_agent: StartAgent) -> None:
    """A shell survives what is killed under it, and ends with an exit code of its own."""
    start_agent()
    hungry = "x = []\nwhile True: x.append(b'x' * (4 << 20))"
    key = server.assign(1, command=["sh", "-c", 'python3 -c "$1"; exit 9', "sh", hungry], memory_mib=64)
    end = await server.end_of(key, 20)
    assert (end.state, end.cause) == ("failed", "out_of_memory"), end.message


@pytest.mark.usefixtures("place")
async def test_processes_that_hide_are_in_the_group_and_end_with_it(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent()
    mark = f"1300.{os.getpid()}"
    key = server.shell(1, f"setsid env -i /bin/sleep {mark} & sleep 0.2; cat /proc/self/cgroup")
    end = await server.end_of(key, 20)
    assert end.state == "succeeded"
    assert f"herder-{os.getpid()}/attempt-" in server.logs[key]
    await server.until(lambda: not Path("/proc").joinpath("none").exists() and not _running(mark))


def _running(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                return True
        except OSError:
            continue
    return False


async def test_groups_are_used_again_and_go_with_their_agent(
    server: FakeServer, start_agent: StartAgent, place: CgroupPlace
) -> None:
    agent = start_agent()
    for job in range(5):
        limits = {"memory_mib": 32 + job, "cpu_milli": 100 + job, "cpu_hard": bool(job % 2)}
        await server.end_of(server.shell(job, "true", **limits))
    await server.until(lambda: not any(_pids_in(each) for each in place.memory.glob("attempt-*")))
    assert len(list(place.memory.glob("attempt-*"))) <= 2
    agent.leave.set()
    await agent.left()
    assert not place.memory.exists()
    assert not place.cpu.exists()


def _pids_in(folder: Path) -> str:
    return (folder / "cgroup.procs").read_text()


def test_what_an_attempt_left_does_not_count_against_the_next(place: CgroupPlace) -> None:
    """A group is used again only when nothing is charged to it and nothing was killed in it; its peak begins anew."""
    first = place.take(Limits(100, 64))
    script = "x = b'x' * (40 << 20)"
    assert _run_in(first, script) == 0
    assert first.memory_peak_kib() > 40 << 10
    assert place.give_back(first)
    second = place.take(Limits(100, 64))
    assert second.memory_peak_kib() < 20 << 10
    assert _run_in(second, "x = b'x' * (80 << 20)") != 0
    assert second.ran_out_of_memory()
    assert place.give_back(second)
    third = place.take(Limits(100, 0))
    assert not third.ran_out_of_memory()
    assert _run_in(third, "x = b'x' * (80 << 20)") == 0
    assert third.remove()


def _run_in(group: Cgroup, script: str) -> int:
    """The process takes memory only once it is in the group."""
    code = f"import sys; sys.stdin.read()\n{script}"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        group.add(process.pid)
        process.communicate(b"go")
        return process.returncode


async def test_groups_of_a_dead_agent_are_removed(place: CgroupPlace) -> None:
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    dead = place.memory.parent / f"herder-{process.pid}"
    (dead / "1-1").mkdir(parents=True)
    found = find_place(None)
    assert found is not None
    assert not dead.exists()


async def test_without_cgroups_a_job_is_bound_to_whole_cores(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent(cgroups=False)
    key = server.assign(1, command=["nproc"], cpu_milli=500)
    await server.end_of(key)
    assert server.logs[key] == "1\n"
    assert len(os.sched_getaffinity(0)) == os.cpu_count()


async def test_jobs_run_without_a_cgroup_when_the_folder_cannot_be_used(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent(cgroup_folder=Path("/proc/no/such"))
    assert (await server.end_of(server.shell(1, "true", memory_mib=64))).state == "succeeded"


# --- version 2, on files: what is written, and what is read


def test_version_2_gets_its_limits_and_reports(tmp_path: Path) -> None:
    cgroup = CgroupV2(tmp_path, "a")
    folder = tmp_path / "a"
    cgroup.begin(Limits(1500, 64, True))
    cgroup.add(4711)
    assert (folder / "memory.max").read_text() == str(64 * 2**20)
    assert (folder / "cpu.max").read_text() == "150000 100000"
    assert (folder / "cpu.weight").read_text() == "59"
    assert cgroup.pids() == {4711}
    (folder / "memory.events").write_text("low 0\noom_kill 1\n")
    (folder / "memory.peak").write_text(str(70 * 2**20))
    (folder / "memory.stat").write_text(f"anon {8 << 20}\nfile {30 << 20}\nshmem {10 << 20}\n")
    assert cgroup.ran_out_of_memory()
    assert (cgroup.memory_kib(), cgroup.memory_peak_kib()) == (18 << 10, 50 << 10)
    assert not cgroup.is_clean()


def test_version_2_as_a_weight_has_no_cap_also_after_one_that_had(tmp_path: Path) -> None:
    cgroup = CgroupV2(tmp_path, "a")
    cgroup.begin(Limits(1500, 64, True))
    (tmp_path / "a/memory.peak").write_text(str(9 * 2**20))
    cgroup.begin(Limits(1500, 0))
    assert (tmp_path / "a/cpu.max").read_text() == "max 100000"
    assert (tmp_path / "a/memory.max").read_text() == "max"
    assert cgroup.memory_peak_kib() == 0, "that of the attempt before it"
    (tmp_path / "a/memory.peak").write_text(str(10 * 2**20))
    assert cgroup.memory_peak_kib() == 10 << 10


@pytest.mark.parametrize(
    ("cpu_milli", "shares", "weight"),
    [(0, 2, 1), (1, 2, 1), (100, 102, 4), (1000, 1024, 39), (10**6, 1024000, 10_000)],
)
def test_weights_are_in_proportion(cpu_milli: int, shares: int, weight: int) -> None:
    assert (shares_of(cpu_milli), weight_of(cpu_milli)) == (shares, weight)


def test_a_cap_is_never_below_what_the_kernel_takes() -> None:
    assert (quota_us(1), quota_us(100), quota_us(2500)) == (1000, 10_000, 250_000)


def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str) -> Path:
    """A hierarchy of version 2 as files, and this process in it."""
    top = tmp_path / "cgroup"
    folder = top / own
    folder.mkdir(parents=True)
    (tmp_path / "mountinfo").write_text(f"30 1 0:26 / {top} rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "own").write_text(f"0::/{own}\n")
    monkeypatch.setattr(cgroup_place, "_MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(cgroup_place, "_OWN", tmp_path / "own")
    for each in (folder, *folder.parents):
        (each / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (each / "cgroup.subtree_control").write_text("")
        (each / "cgroup.procs").write_text("1\n2\n")
        if each == top:
            break
        (each / "memory.max").write_text("max\n")
        (each / "cpu.max").write_text("max 100000\n")
    return top


def test_a_delegated_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = _machine(tmp_path, monkeypatch, "system.slice/herder.service")
    own = top / "system.slice/herder.service"
    (own / "cgroup.procs").write_text(f"{os.getpid()}\n")
    found = find_place(None)
    assert found is not None
    assert (found.version, found.memory) == (2, own / f"herder-{os.getpid()}")
    assert (own / f"herder-agent-{os.getpid()}/cgroup.procs").read_text() == str(os.getpid())
    assert (own / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_nothing_is_made_outside_of_what_bounds_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = _machine(tmp_path, monkeypatch, "a/b")
    (top / "a/b/memory.max").write_text("1000000000\n")
    for path in (top, top / "a"):
        (path / "cgroup.subtree_control").write_text("cpu memory\n")
    (top / "a/b/cgroup.subtree_control").unlink()
    (top / "a/b/cgroup.subtree_control").mkdir()  # cannot be written: as if it held processes
    assert find_place(None) is None
    (top / "a/b/memory.max").write_text("max\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = find_place(None)
    assert found is not None
    assert found.memory.parent == top / "a"


def test_without_any_hierarchy_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_MOUNTS", "_OWN"):
        monkeypatch.setattr(cgroup_place, name, tmp_path / "none")
    began = time.monotonic()
    assert find_place(None) is None
    assert time.monotonic() - began < 5
