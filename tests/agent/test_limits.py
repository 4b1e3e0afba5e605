"""Limits end the whole tree of an attempt, and the cause says which limit it was."""

import asyncio
import os
import subprocess
from collections.abc import Callable

import psutil
import pytest

from herder.agent.processes.cores import Cores
from tests.agent.conftest import RunningAgent, processes_with
from tests.agent.fake_server import FakeServer

TREES = {
    "child": "sleep {mark} & sleep {mark}; sleep {mark}",
    "grandchild": "sh -c 'sleep {mark} & sleep {mark}' & wait",
    "own session": "setsid sleep {mark} & sleep {mark}",
    "daemon": "setsid sh -c 'sleep {mark} & exit 0' ; sleep {mark}",
    "no environment": "setsid env -i /bin/sleep {mark} & sleep {mark}",
    "deaf": "trap '' TERM; sleep {mark} & while true; do sleep {mark}; done",
}


def _mark(job: int) -> str:
    """A duration that only this test uses: it finds the processes again."""
    return f"{1000 + job}.{os.getpid()}"


@pytest.mark.parametrize("tree", TREES)
async def test_timeout_ends_the_whole_tree(server: FakeServer, agent: RunningAgent, tree: str) -> None:
    mark = _mark(1)
    key = server.shell(1, TREES[tree].format(mark=mark), timeout_ms=700)
    await server.until(lambda: len(processes_with(mark)) > 1)
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("failed", "timeout")
    assert "0.7 s" in end.message
    await server.until(lambda: processes_with(mark) == [])


@pytest.mark.parametrize("tree", ["child", "own session", "deaf"])
async def test_cancel_ends_the_whole_tree(server: FakeServer, agent: RunningAgent, tree: str) -> None:
    mark = _mark(2)
    key = server.shell(1, TREES[tree].format(mark=mark))
    await server.until(lambda: len(processes_with(mark)) > 1)
    server.cancel(key)
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("cancelled", "cancelled")
    await server.until(lambda: processes_with(mark) == [])


async def test_the_whole_tree_may_end_by_itself_first(server: FakeServer, agent: RunningAgent) -> None:
    child = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.02; done"
    key = server.shell(1, f'trap : TERM; setsid sh -c "{child}" & wait $!; wait $!; echo end')
    await server.until(lambda: server.logs.get(key) == "up\n")
    server.cancel(key)
    assert (await server.end_of(key)).state == "cancelled"
    assert server.logs[key].endswith("bye\nend\n")


async def test_cancelling_one_leaves_the_other(server: FakeServer, agent: RunningAgent) -> None:
    first, second = server.shell(1, f"sleep {_mark(3)}"), server.shell(2, "sleep 0.6; echo done")
    await server.until(lambda: first in server.started)
    server.cancel(first)
    assert (await server.end_of(first)).state == "cancelled"
    assert (await server.end_of(second)).state == "succeeded"
    assert server.logs[second] == "done\n"


async def test_what_waits_is_cancelled_without_a_start(server: FakeServer, agent: RunningAgent) -> None:
    first, second = (server.shell(job, "sleep 0.5", cpu_milli=8000) for job in (1, 2))
    await server.until(lambda: second in server.assigned)
    await asyncio.sleep(0.05)
    server.cancel(second)
    assert (await server.end_of(second)).state == "cancelled"
    assert second not in server.started
    assert (await server.end_of(first)).state == "succeeded"


async def test_leftovers_of_a_finished_job_are_ended(server: FakeServer, agent: RunningAgent) -> None:
    for job, script in ((1, "sleep {mark} &"), (2, "setsid sleep {mark} & sleep 0.1")):
        mark = _mark(10 + job)
        end = await server.end_of(server.shell(job, script.format(mark=mark)))
        assert end.state == "succeeded"
        await server.until(lambda mark=mark: processes_with(mark) == [])


HUNGRY = "import time, os; x = b'x' * ({mib} << 20); time.sleep({s})"


async def test_memory_over_the_limit(server: FakeServer, agent: RunningAgent) -> None:
    key = server.assign(1, command=["python3", "-c", HUNGRY.format(mib=90, s=30)], memory_mib=64)
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("failed", "out_of_memory")
    assert end.memory_peak_mib >= 64  # the kernel lets nobody above it, where it looks
    assert "64 MiB" in end.message


async def test_memory_of_all_processes_counts_together(server: FakeServer, agent: RunningAgent) -> None:
    one = f'python3 -c "{HUNGRY.format(mib=40, s=30)}"'
    key = server.shell(1, f"{one} & setsid {one} & wait", memory_mib=80)
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("failed", "out_of_memory")


async def test_shared_memory_is_counted_once(server: FakeServer, agent: RunningAgent) -> None:
    script = "import os, time\nx = b'x' * (60 << 20)\nfor _ in range(3): os.fork() or (time.sleep(0.5), os._exit(0))\ntime.sleep(0.5)"
    end = await server.end_of(server.assign(1, command=["python3", "-c", script], memory_mib=160))
    assert (end.state, end.cause) == ("succeeded", ""), end.message


async def test_memory_taken_faster_than_it_is_sampled(
    server: FakeServer, agent_process: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """A real agent: a child's peak counts only where it is above its parent's, and this process may be large itself."""
    agent_process()
    script = "x = []\nwhile True: x.append(b'x' * (8 << 20))"
    end = await server.end_of(server.assign(1, command=["python3", "-c", script], memory_mib=200))
    assert (end.state, end.cause) == ("failed", "out_of_memory")
    assert end.memory_peak_mib >= 180


async def test_peak_of_a_large_job_is_reported(
    server: FakeServer, agent_process: Callable[[], subprocess.Popen[bytes]]
) -> None:
    agent_process()
    end = await server.end_of(server.assign(1, command=["python3", "-c", HUNGRY.format(mib=250, s=0)]))
    assert 250 <= end.memory_peak_mib < 350


async def test_disk_over_the_limit(server: FakeServer, agent: RunningAgent) -> None:
    key = server.shell(1, "mkdir d; head -c 8000000 /dev/urandom > d/big; sleep 30", disk_mib=4)
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("failed", "out_of_disk")
    assert "4 MiB" in end.message


def test_cores_go_to_the_least_loaded() -> None:
    cores = Cores({0, 1, 2, 3})
    assert cores.take(500) == (0,)
    assert cores.take(1500) == (1, 2)
    assert cores.take(100) == (3,)
    assert cores.take(4000) == ()
    cores.release((1, 2), 1500)
    assert cores.take(2000) == (1, 2)


async def test_no_zombie_is_left(server: FakeServer, agent: RunningAgent) -> None:
    for job in range(5):
        await server.end_of(server.shell(job, "setsid sh -c '(sleep 0.05 &) ; exit 0'; true"))
    await server.until(
        lambda: [each for each in psutil.Process().children() if each.status() == "zombie"] == []
    )
