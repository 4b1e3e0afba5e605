"""Python jobs in forks of a warm interpreter: the same as in a Python of their own, with the same limits, and apart from one another."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from herder.agent.processes import process_table
from herder.wire.worker.exchange import Finished
from tests.agent.conftest import RunningAgent, StartAgent, processes_with
from tests.agent.fake_server import FakeServer, Key

MARK = "from the interpreter"
PARENT = "import os; print(open(f'/proc/{os.getpid()}/cmdline').read().split(chr(0))[1])"
"""Prints `-` in a fork of a warm interpreter: what it was started with."""


@pytest.fixture
def agent(start_agent: StartAgent) -> RunningAgent:
    return start_agent()


def python(server: FakeServer, job: int, script: str, *args: str, **fields: Any) -> Key:
    inputs = {"call.py": script, **fields.pop("inputs", {})}
    fields = {"user": "ann", "warm_python": {"preload": ["json"]}, **fields}
    return server.assign(job, command=[sys.executable, "call.py", *args], inputs=inputs, **fields)


def interpreters() -> list[psutil.Process]:
    """Warm interpreters that this process has."""
    return [
        each
        for each in psutil.Process().children()
        if each.status() != psutil.STATUS_ZOMBIE and each.cmdline()[1:2] == ["-"] and each.num_threads() == 1
    ]


async def warmed(server: FakeServer, **fields: Any) -> None:
    key = python(server, 9000 + len(server.assigned), "print(1)", **fields)
    assert (await server.end_of(key)).state == "succeeded"


async def test_a_script_runs_as_with_a_python_of_its_own(server: FakeServer, agent: RunningAgent) -> None:
    script = """
import json, os, sys, tempfile, __main__
print(json.dumps({
    "argv": sys.argv, "name": __name__, "main": __main__.__file__, "path": sys.path[0], "cwd": os.getcwd(),
    "stdin": sys.stdin.read(), "environment": dict(os.environ), "leader": os.getpid() == os.getsid(0) == os.getpgrp(),
    "descriptors": sorted(os.listdir("/proc/self/fd"))[:3], "count": len(os.listdir("/proc/self/fd")),
    "temporary": tempfile.gettempdir(), "umask": os.umask(0), "data": open("a/in").read(),
}))
print("error", file=sys.stderr)
"""
    seen = {}
    for job, warm in ((1, {"preload": ["tempfile"]}), (2, None)):
        more = {} if warm is None else {"warm_python": warm}
        inputs = {"call.py": script, "a/in": "given"}
        key = server.assign(
            job,
            command=[sys.executable, "call.py", "a b"],
            inputs=inputs,
            env={"MINE": "ü"},
            stdin="käse",
            **more,
        )
        assert (await server.end_of(key)).state == "succeeded", server.logs.get(key)
        text = server.logs[key].replace(f"{job}-1", "J").replace(f'"HERDER_JOB_ID": "{job}"', "")
        lines = text.splitlines()
        seen[job] = (
            json.loads(next(line for line in lines if line.startswith("{")).replace(", , ", ", ")),
            set(lines) & {"error"},
        )
    assert seen[1] == seen[2]
    assert seen[1][0]["argv"] == ["call.py", "a b"]


async def test_it_is_a_fork_of_one_interpreter(server: FakeServer, agent: RunningAgent) -> None:
    keys = [python(server, job, PARENT) for job in range(1, 21)]
    for key in keys:
        end = await server.end_of(key)
        assert (end.state, server.logs[key]) == ("succeeded", "-\n")
    assert len({each.ppid() for each in interpreters()}) == 1
    started = [each for each in interpreters() if len(each.cmdline()) == 4]
    assert len([each for each in started if each.pid == os.getsid(each.pid)]) <= 3, (
        "one interpreter and the forks that wait"
    )


async def test_results_exit_codes_and_errors_are_those_of_a_python(
    server: FakeServer, agent: RunningAgent
) -> None:
    cases: dict[str, Callable[[Finished, str], bool]] = {
        "import json, os; json.dump([1], open(os.environ['HERDER_RESULT'], 'w'))": lambda end, _: (
            bytes(end.result) == b"[1]" and end.state == "succeeded"
        ),
        "import sys; sys.exit(7)": lambda end, _: (end.state, end.exit_code) == ("failed", 7),
        "import os; os._exit(8)": lambda end, _: end.exit_code == 8,
        "import os; os.kill(os.getpid(), 11)": lambda end, _: "SIGSEGV" in end.message,
        "def f():\n  raise KeyError('gone')\nf()": lambda end, text: (
            end.exit_code == 1
            and text.startswith("Traceback (most recent call last):\n  File")
            and text.endswith("KeyError: 'gone'\n")
            and "<stdin>" not in text
        ),
        "this is no Python": lambda end, text: end.exit_code == 1 and "SyntaxError" in text,
        "import atexit; atexit.register(print, 'last'); print('first')": lambda _, text: (
            text == "first\nlast\n"
        ),
        "print('x' * 100_000)": lambda _, text: len(text) == 100_001,
    }
    for job, (script, holds) in enumerate(cases.items(), 1):
        key = python(server, job, script)
        end = await server.end_of(key)
        assert holds(end, server.logs.get(key, "")), (script, end, server.logs.get(key))
    end = await server.end_of(
        server.assign(50, command=[sys.executable, "no.py"], warm_python={"preload": []})
    )
    assert (end.state, end.exit_code) == ("failed", 2)


async def test_limits_hold_in_a_fork(server: FakeServer, agent: RunningAgent) -> None:
    await warmed(server)
    hungry = python(server, 1, "x = bytearray(200 << 20)\nimport time\ntime.sleep(60)", memory_mib=64)
    slow = python(server, 2, "import time; time.sleep(60)", timeout_ms=300)
    end = await server.end_of(hungry, 20)
    assert (end.state, end.cause) == ("failed", "out_of_memory"), end
    assert (await server.end_of(slow)).cause == "timeout"
    full = python(
        server, 3, "import time\nopen('big', 'wb').write(bytes(30 << 20))\ntime.sleep(60)", disk_mib=5
    )
    assert (await server.end_of(full)).cause == "out_of_disk"
    cores = python(server, 4, "import os; print(len(os.sched_getaffinity(0)))", cpu_milli=100)
    await server.end_of(cores)
    assert server.logs[cores].strip() in ("1", str(os.cpu_count())), "bound where there are no cgroups"


async def test_what_a_fork_uses_is_counted_as_its_own(server: FakeServer, agent: RunningAgent) -> None:
    await warmed(server)
    key = python(
        server,
        1,
        "x = bytearray(120 << 20)\nfor i in range(3_000_000): pass\nimport os; os.environ['A'] = 'b'",
    )
    end = await server.end_of(key)
    assert 120 <= end.memory_peak_mib < 250, end
    assert end.cpu_ms >= 10


async def test_a_fork_is_cancelled_with_what_it_has_started(server: FakeServer, agent: RunningAgent) -> None:
    await warmed(server)
    script = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({str(agent.settings.folder / "left")!r}, 'w').write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""
    key = python(server, 1, script)
    left = agent.settings.folder / "left"
    await server.until(lambda: left.exists() and left.read_text() != "")
    pid = int(left.read_text())
    assert process_table.marks_of(pid)["HERDER_JOB_ID"] == "1", "it is known by its marks"
    server.cancel(key)
    assert (await server.end_of(key)).state == "cancelled"
    await server.until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    left.unlink()


async def test_users_and_environments_have_interpreters_of_their_own(
    server: FakeServer, agent: RunningAgent
) -> None:
    for job, (user, env) in enumerate([("ann", {}), ("bob", {}), ("ann", {"A": "1"}), ("ann", {})], 1):
        key = python(server, job, "import os; print(os.environ.get('A'))", user=user, env=env)
        await server.end_of(key)
        assert server.logs[key].strip() == env.get("A", "None")
    keys = {tuple(each.environ().get("A", "") for each in interpreters())}
    assert len(keys) == 1
    leaders = [each for each in interpreters() if "HERDER_ROOM" in each.environ()]
    assert len(leaders) >= 3


async def test_random_numbers_differ_between_forks(server: FakeServer, agent: RunningAgent) -> None:
    script = "import random, uuid; print(random.random(), uuid.uuid4())"
    keys = [python(server, job, script, warm_python={"preload": ["random", "uuid"]}) for job in range(1, 9)]
    for key in keys:
        await server.end_of(key)
    assert len({server.logs[key].split()[0] for key in keys}) == len(keys)


async def test_a_program_that_is_no_python_fails_as_it_would_anyway(
    server: FakeServer, agent: RunningAgent
) -> None:
    end = await server.end_of(
        server.assign(1, command=["/no/such/python", "a.py"], warm_python={"preload": []})
    )
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert "/no/such/python" in end.message
    key = server.assign(2, command=["/bin/echo", "a.py"], warm_python={"preload": []})
    assert (await server.end_of(key)).state == "succeeded"
    assert server.logs[key] == "a.py\n"


async def test_what_is_wrong_with_a_job_is_told_as_without_a_fork(
    server: FakeServer, agent: RunningAgent, tmp_path: Path
) -> None:
    await warmed(server)
    wrong = {"cwd": str(tmp_path / "gone")}, {"env": {"HERDER_CHECKPOINT_SIGNAL": "WINCH"}}
    for job, fields in enumerate(wrong, 1):
        for again in (0, 10):
            end = await server.end_of(python(server, job + again, "print(1)", **fields))
            assert (end.state, end.cause) == ("failed", "start_failed"), end
    key = python(
        server, 30, "import os; print(os.getcwd(), open(os.environ['HERDER_SCRATCH'] + '/call.py').name)"
    )
    assert (await server.end_of(key)).state == "succeeded"


async def test_modules_that_start_threads_are_not_imported_ahead(
    server: FakeServer, agent: RunningAgent, tmp_path: Path
) -> None:
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    env = {"PYTHONPATH": str(tmp_path)}
    script = f"import sys; print('threaded' in sys.modules); {PARENT}"
    key = python(server, 1, script, env=env, warm_python={"preload": ["threaded"]})
    assert (await server.end_of(key)).state == "succeeded"
    assert server.logs[key] == "False\n-\n"
    key = python(server, 2, script, env=env, warm_python={"preload": ["threaded_not"]})
    await server.end_of(key)
    assert server.logs[key] == "False\n-\n", "a module that is not there stops nothing"


async def test_a_killed_interpreter_is_started_anew_and_costs_no_job(
    server: FakeServer, agent: RunningAgent
) -> None:
    await warmed(server)
    first = min(interpreters(), key=psutil.Process.create_time)
    first.send_signal(signal.SIGKILL)
    keys = [python(server, job, PARENT) for job in range(1, 6)]
    for key in keys:
        assert (await server.end_of(key)).state == "succeeded"
    after = python(server, 6, PARENT)
    await server.end_of(after)
    assert server.logs[after] == "-\n"
    assert first.pid not in [each.pid for each in interpreters()]


async def test_an_interpreter_that_hangs_delays_jobs_only_so_long(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent(warm_wait_s=0.3)
    await warmed(server)
    stopped = interpreters()
    for each in stopped:
        each.send_signal(signal.SIGSTOP)
    # The forks that wait are stopped, too: what is told to them is done when they go on.
    keys = [python(server, job, PARENT) for job in range(1, 7)]
    ended = [key for key in keys[2:] if (await server.end_of(key)).state == "succeeded"]
    assert len(ended) == 4
    assert all(server.logs[key] == "call.py\n" for key in ended)
    for key in keys[:2]:
        server.cancel(key)
    for key in keys[:2]:
        assert (await server.end_of(key)).state in ("cancelled", "succeeded")
    for each in stopped:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGCONT)


async def test_a_job_that_waits_for_its_fork_is_cancelled(
    server: FakeServer, agent: RunningAgent, tmp_path: Path
) -> None:
    (tmp_path / "slow_module.py").write_text("import time; time.sleep(600)\n")
    key = python(
        server, 1, "print(1)", env={"PYTHONPATH": str(tmp_path)}, warm_python={"preload": ["slow_module"]}
    )
    await server.until(lambda: bool(interpreters()))
    server.cancel(key)
    assert (await server.end_of(key)).state == "cancelled"
    await server.until(lambda: os.listdir(agent.settings.folder) == [])


async def test_interpreters_end_when_idle_when_there_are_too_many_and_with_the_agent(
    server: FakeServer, start_agent: StartAgent
) -> None:
    agent = start_agent(warm_most=2, warm_idle_s=1.0)
    for job in range(1, 6):
        await server.end_of(python(server, job, "print(1)", user=f"user{job}"))
    await server.until(lambda: len(interpreters()) <= 6)
    await server.until(lambda: interpreters() == [])
    await server.end_of(python(server, 7, "print(1)"))
    assert interpreters()
    agent.leave.set()
    await agent.left()
    assert interpreters() == []
    assert [each for each in psutil.Process().children() if each.cmdline()[1:2] == ["-"]] == []


async def test_switched_off_a_job_has_a_python_of_its_own(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent(warm_python=False)
    key = python(server, 1, PARENT)
    await server.end_of(key)
    assert server.logs[key] == "call.py\n"
    assert processes_with("HERDER_ROOM") == []


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({left!r}, "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
while not os.path.exists({left!r}) or not open({left!r}).read():
    time.sleep(0.01)
"""


@pytest.mark.parametrize("cgroups", [False, True])
async def test_what_a_module_starts_when_it_is_imported_ahead_ends(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path, cgroups: bool
) -> None:
    start_agent(cgroups=cgroups)
    left = tmp_path / "left"
    (tmp_path / "daemonic.py").write_text(DAEMON.format(left=str(left)))
    key = python(
        server,
        1,
        PARENT,
        env={"PYTHONPATH": str(tmp_path)},
        warm_python={"preload": ["daemonic"]},
    )
    assert (await server.end_of(key)).state == "succeeded"
    assert server.logs[key] == "-\n", "it was imported ahead"
    pid = int(left.read_text())
    slow = python(server, 2, "import time; time.sleep(600)")  # as long as there are attempts, the watch looks
    await server.until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    server.cancel(slow)
    assert (await server.end_of(slow)).state == "cancelled"


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process of the agent."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("said", ["{victim}", "no number"])
async def test_an_interpreter_that_names_another_process_as_its_fork_is_not_believed(
    server: FakeServer,
    agent: RunningAgent,
    tmp_path: Path,
    victim: "subprocess.Popen[bytes]",
    caplog: pytest.LogCaptureFixture,
    said: str,
) -> None:
    """The module takes over the interpreter, and answers each request with the number of a process of the agent."""
    (tmp_path / "liar.py").write_text(
        "import json, os, socket, sys, time\n"
        "control = socket.socket(fileno=int(sys.argv[1]))\n"
        "control.send(json.dumps({'threads': 1, 'room': 9999, 'missing': []}).encode())\n"
        "while True:\n"
        "    data, descriptors, _, _ = socket.recv_fds(control, 16, 1)\n"
        "    if not data: os._exit(0)\n"
        f"    os.write(descriptors[0], {said.format(victim=victim.pid).encode()!r})\n"
    )
    env = {"PYTHONPATH": str(tmp_path)}
    key = python(server, 1, PARENT, env=env, warm_python={"preload": ["liar"]})
    assert (await server.end_of(key)).state == "succeeded"
    assert server.logs[key] == "call.py\n", "it has a Python of its own"
    assert victim.poll() is None
    assert [each for each in caplog.records if each.name == "asyncio"] == []
