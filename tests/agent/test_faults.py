"""A job cannot hurt its worker, nor one report the others: bad results, faults of the agent, a machine that lacks something."""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import DEVNULL
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from herder.agent.attempts.outbox import MESSAGE_MAX, Outbox
from herder.agent.environment.settings import AgentSettings
from herder.agent.processes import process_table
from herder.agent.processes.outcome import judge, own_peak_kib
from herder.agent.processes.scratch import Scratch
from herder.agent.runtimes.process_attempt import ProcessAttempt
from herder.model.work.job import Cause
from herder.wire.nesting import LEVELS_MAX, nested_too_deeply
from herder.wire.worker import startup
from herder.wire.worker.exchange import ExchangeRequest, Finished, LogChunk, Refusal
from tests.agent.conftest import RunningAgent, StartAgent, processes_with
from tests.agent.fake_server import FakeServer, Fault

NEST = "printf '%*s' {depth} '' | tr ' ' '[' > $HERDER_RESULT; printf '%*s' {depth} '' | tr ' ' ']' >> $HERDER_RESULT"


# --- 1.1: results, and whatever else raises in the agent


@pytest.mark.parametrize("depth", [LEVELS_MAX + 1, 978, 2000, 200_000])
async def test_a_result_nested_too_deeply_is_left_out(
    server: FakeServer, agent: RunningAgent, depth: int
) -> None:
    end = await server.end_of(server.shell(1, NEST.format(depth=depth)))
    assert (end.state, bytes(end.result)) == ("succeeded", b"null")
    assert "nested more than 64 levels deep" in end.message


async def test_a_result_at_the_bound_is_kept(server: FakeServer, agent: RunningAgent) -> None:
    end = await server.end_of(server.shell(1, NEST.format(depth=LEVELS_MAX)))
    assert bytes(end.result) == b"[" * LEVELS_MAX + b"]" * LEVELS_MAX
    assert end.message == ""


@pytest.mark.parametrize(
    ("content", "deep"),
    [
        (b"[" * 64 + b"]" * 64, False),
        (b"[" * 65 + b"]" * 65, True),
        (b'{"a":' * 65 + b"1" + b"}" * 65, True),
        (b"[" + b"[]," * 10_000 + b"[]]", False),
        (b'"' + b"[" * 1000 + b'"', False),
        (b'["' + b'\\"[' * 1000 + b'"]', False),
        (b'["' + b'\\"[' * 300_000, False),  # no end of the string: not JSON, and not slow
        (b"[" * 1000, True),
        (b"]" * 1000, False),
    ],
)
def test_depth_is_told_without_recursion(content: bytes, deep: bool) -> None:
    assert nested_too_deeply(content) is deep


@pytest.mark.parametrize(
    "broken", ["_reap", "_finished", "_leave_watch", "_give_back", "_clean", "_final_peak_kib"]
)
async def test_a_fault_at_the_end_of_an_attempt_is_its_end(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Beside it another one goes on, and the next starts: the worker lives."""
    beside = server.shell(1, "sleep 0.5")
    await server.until(lambda: beside in server.started)
    real = getattr(ProcessAttempt, broken)

    def fail(self: ProcessAttempt, *args: object) -> object:
        if self.job == 2:
            raise RecursionError("maximum recursion depth exceeded")
        return real(self, *args)

    monkeypatch.setattr(ProcessAttempt, broken, fail)
    end = await server.end_of(server.shell(2, "exit 0"))
    if broken in ("_reap", "_finished", "_final_peak_kib"):
        assert (end.state, end.cause) == ("failed", "infrastructure")
        assert "RecursionError" in end.message
    assert (await server.end_of(beside)).state == "succeeded"
    assert (await server.end_of(server.shell(3, "true"))).state == "succeeded"


@pytest.mark.parametrize("broken", ["sampled", "look_at_disk", "send_output"])
async def test_a_fault_in_looking_after_an_attempt_ends_it_and_no_other(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    real = getattr(ProcessAttempt, broken)

    def fail(self: ProcessAttempt, *args: object) -> object:
        if self.job == 2:
            raise ZeroDivisionError("a fault")
        return real(self, *args)

    monkeypatch.setattr(ProcessAttempt, broken, fail)
    mark = f"1400.{os.getpid()}"
    beside = server.shell(1, "echo one; sleep 1; echo two")
    end = await server.end_of(server.shell(2, f"sleep {mark}"))
    assert (end.state, end.cause) == ("failed", "infrastructure")
    assert "ZeroDivisionError" in end.message
    await server.until(lambda: processes_with(mark) == [])
    assert (await server.end_of(beside)).state == "succeeded"
    assert server.logs[beside] == "one\ntwo\n"


async def test_a_time_limit_holds_although_processes_cannot_be_listed(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of descriptors, not even /proc can be read."""
    key = server.shell(1, "sleep 100", timeout_ms=300)
    await server.until(lambda: key in server.started)

    def nothing() -> dict[int, process_table.Process]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(process_table, "processes", nothing)
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("failed", "timeout")


async def test_a_process_that_cannot_be_followed_is_ended_and_told(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(pid: int) -> int:
        raise OSError(24, "Too many open files")

    mark = f"1401.{os.getpid()}"
    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", full)
        end = await server.end_of(server.shell(1, f"sleep {mark}"))
    assert (end.state, end.cause) == ("failed", "infrastructure")
    assert "Too many open files" in end.message
    assert processes_with(mark) == []
    assert (await server.end_of(server.shell(2, "true"))).state == "succeeded"


async def test_a_runtime_that_raises_costs_one_attempt(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Scratch.prepare

    def fail(self: Scratch, *args: object) -> None:
        if self.folder.endswith("/1-1"):
            raise MemoryError
        real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Scratch, "prepare", fail)
    first, second = server.shell(1, "true"), server.shell(2, "true")
    end = await server.end_of(first)
    assert (end.state, end.cause) == ("failed", "infrastructure")
    assert (await server.end_of(second)).state == "succeeded"


# --- 1.2: items of a report


async def test_one_bad_item_is_found_told_and_stops_nobody(server: FakeServer, agent: RunningAgent) -> None:
    """A server that answers 422 to whatever has this result in it, as an older one or a proxy might."""
    innocent = server.shell(1, "sleep 2; echo fine")
    await server.until(lambda: innocent in server.started)
    seen = server.exchanges

    def fault(request: ExchangeRequest) -> Fault:
        bad = any(b"poison" in bytes(end.result) for end in request.finished)
        return Fault.ERROR_422 if bad else Fault.NONE

    server.fault = fault
    keys = [server.assign(job, "noop", sleep_ms=300) for job in range(10, 60)]
    bad = server.shell(2, "sleep 0.2; echo '\"poison\"' > $HERDER_RESULT; exit 3")
    end = await server.end_of(bad)
    assert (end.state, end.cause, end.exit_code, bytes(end.result)) == ("failed", "exit_code", 3, b"null")
    assert "422" in end.message
    for key in keys:
        assert (await server.end_of(key)).state == "succeeded"
    beats = len(server.held)
    await server.until(lambda: len(server.held) >= beats + 2, 5)
    assert (await server.end_of(innocent)).state == "succeeded"
    assert server.logs[innocent] == "fine\n"
    assert server.exchanges - seen < 200


async def test_bad_output_is_told_in_as_many_bytes(
    server: FakeServer, agent: RunningAgent, tmp_path: Path
) -> None:
    """Before, poison, after: each in a chunk of its own, since the job waits for us in between."""
    server.fault = lambda request: (
        Fault.ERROR_422 if any("poison" in chunk.text for chunk in request.logs) else Fault.NONE
    )
    wait = "while [ ! -e {path} ]; do sleep 0.02; done"
    first, second = tmp_path / "first", tmp_path / "second"
    key = server.shell(
        1, f"echo before; {wait.format(path=first)}; echo poison; {wait.format(path=second)}; echo after"
    )
    await server.until(lambda: server.logs.get(key) == "before\n")
    first.touch()
    await server.until(lambda: len(server.logs[key]) == len("before\npoison\n"))
    second.touch()
    assert (await server.end_of(key)).state == "succeeded"
    assert "poison" not in server.logs[key]
    assert server.logs[key].endswith("after\n")


async def test_a_proxy_that_rejects_everything_costs_no_report(
    server: FakeServer, agent: RunningAgent
) -> None:
    """It is not the items' fault when a report without any is rejected as well."""
    key = server.shell(1, "echo '{\"a\": 1}' > $HERDER_RESULT; echo out")
    rejected = 0

    def fault(_: ExchangeRequest) -> Fault:
        nonlocal rejected
        rejected += 1
        return Fault.ERROR_404 if rejected <= 12 else Fault.NONE

    await server.until(lambda: key in server.assigned)
    server.fault = fault
    end = await server.end_of(key, 30)
    assert json.loads(bytes(end.result)) == {"a": 1}
    assert server.logs[key] == "out\n"


async def test_what_the_server_names_is_told_plainly(server: FakeServer, agent: RunningAgent) -> None:
    """The server has taken the others of the report."""
    key = server.shell(1, "echo '[1]' > $HERDER_RESULT")

    def refuse(request: ExchangeRequest) -> list[Refusal]:
        return [
            Refusal(kind="finished", index=index, reason="it is bad")
            for index, end in enumerate(request.finished)
            if bytes(end.result) == b"[1]"
        ]

    server.refuse_items = refuse
    end = await server.end_of(key)
    assert (end.state, bytes(end.result)) == ("succeeded", b"null")
    assert "it is bad" in end.message


async def test_the_heart_goes_on_beating_while_reports_are_answered_with_500(
    server: FakeServer, agent: RunningAgent
) -> None:
    server.fault = lambda request: Fault.ERROR_500 if request.finished else Fault.NONE
    key = server.assign(1, "noop")
    await server.until(lambda: key in server.assigned)
    beats = len(server.held)
    await server.until(lambda: len(server.held) >= beats + 3)
    server.fault = lambda _: Fault.NONE
    assert (await server.end_of(key)).state == "succeeded"


def _settings(folder: Path) -> AgentSettings:
    return AgentSettings(server_url="", worker="w", activation_token="", work_folder=folder)


async def test_an_item_refused_in_every_form_is_dropped_at_last(tmp_path: Path) -> None:
    outbox = Outbox(_settings(tmp_path))
    outbox.add_finished(Finished(job=1, attempt=1, state="failed", started_at_ms=1, ended_at_ms=2))
    outbox.add_logs([LogChunk(job=2, attempt=1, offset=0, text="x")])
    outbox.add_started((3, 1), 5)
    for _ in range(20):
        outbox.rejected(outbox.pack(), "never")
    assert outbox.empty
    assert outbox.knows_end_of((1, 1))


async def test_messages_are_bounded(tmp_path: Path) -> None:
    outbox = Outbox(_settings(tmp_path))
    end = Finished(job=1, attempt=1, state="failed", started_at_ms=1, ended_at_ms=2, message="x" * 10**6)
    outbox.add_finished(end)
    assert len(outbox.pack().finished[0].message) <= MESSAGE_MAX + 1


async def test_what_cannot_be_written_is_told_plainly(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scratch, "result", lambda _: (msgspec.Raw(b"null"), "a name \ud800 of nothing"))
    other = server.assign(2, "noop", sleep_ms=50)
    end = await server.end_of(server.shell(1, "exit 4"))
    assert (end.state, end.exit_code) == ("failed", 4)
    assert "could not" in end.message or "The server refused the report" in end.message
    assert (await server.end_of(other)).state == "succeeded"


# --- 1.3: a machine that lacks something


async def test_a_removed_work_folder_is_made_again(server: FakeServer, agent: RunningAgent) -> None:
    assert (await server.end_of(server.shell(1, "true"))).state == "succeeded"
    shutil.rmtree(agent.settings.folder)
    assert (await server.end_of(server.shell(2, "pwd"))).state == "succeeded"


async def test_a_work_folder_that_cannot_be_made_is_told_until_it_can(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    """Root writes anywhere, so the folder is taken by a file."""
    agent = start_agent()
    await server.end_of(server.shell(1, "true"))
    agent.settings.folder.rmdir()
    agent.settings.folder.write_text("in the way")
    end = await server.end_of(server.shell(2, "true"))
    assert (end.state, end.cause) == ("failed", "infrastructure")
    assert "scratch folder" in end.message
    await server.until(lambda: bool(server.troubles) and server.troubles[-1] != [])
    assert str(agent.settings.folder) in server.troubles[-1][0]
    agent.settings.folder.unlink()
    await server.until(lambda: server.troubles[-1] == [], 5)
    assert (await server.end_of(server.shell(3, "true"))).state == "succeeded"


async def _done(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=DEVNULL)
    return await process.wait()


def _fill(path: Path) -> None:
    """Until nothing more can be written."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


async def test_a_full_disk_is_the_machines_fault_and_told(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    """A real one: a file system in memory of 2 MiB."""
    folder = tmp_path / "full"
    folder.mkdir()
    if await _done("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)):
        pytest.skip("this machine does not let us mount a file system")
    try:
        agent = start_agent(work_folder=folder / "work")
        await server.end_of(server.shell(1, "true"))
        filler = folder / "filler"
        _fill(filler)
        end = await server.end_of(server.shell(2, "true", inputs={"a": "x" * 9000}))
        assert (end.state, end.cause) == ("failed", "infrastructure")
        assert "No space left on device" in end.message
        await server.until(lambda: server.troubles[-1] != [])
        assert "No space left on device" in server.troubles[-1][0]
        end = await server.end_of(server.shell(3, "exit 7"))
        assert (end.cause, end.exit_code) == ("infrastructure", 7)
        assert "Exit code 7 on a worker that has a problem: The work folder" in end.message
        filler.unlink()
        await server.until(lambda: server.troubles[-1] == [], 5)
        assert (await server.end_of(server.shell(4, "exit 7"))).cause == "exit_code"
        agent.leave.set()
        await agent.left()
    finally:
        assert await _done("umount", "-l", str(folder)) == 0


async def test_an_agent_out_of_descriptors_says_so_and_goes_on(server: FakeServer, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        startup.SERVER: server.url,
        startup.WORKER: "w",
        startup.INSTALLATION: f"few-{os.getpid()}",
        startup.ACTIVATION_TOKEN: "one-time",
        startup.WORK_FOLDER: str(tmp_path / "work"),
    }
    server.limits["slots"] = 100
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"ulimit -n 48; exec {sys.executable} -m herder.agent", env=environment, stderr=DEVNULL
    )
    try:
        keys = [server.shell(job, "sleep 3", cpu_milli=10) for job in range(40)]
        ends = [await server.end_of(key, 40) for key in keys]
        causes = {(end.state, end.cause) for end in ends}
        assert causes == {("succeeded", ""), ("failed", "infrastructure")}
        assert any("Too many open files" in end.message for end in ends)
        assert any("files can be opened" in each[0] for each in server.troubles if each)
        await server.until(lambda: server.troubles[-1] == [])
        assert (await server.end_of(server.shell(99, "true"))).state == "succeeded"
        assert process.returncode is None
    finally:
        process.kill()
        await process.wait()


# --- 10.2: inputs that are fetched apart


async def test_large_inputs_are_fetched_into_the_scratch_folder(
    server: FakeServer, agent: RunningAgent
) -> None:
    server.inputs[1, 1] = b'["' + b"x" * 3_000_000 + b'"]'
    key = server.shell(1, "wc -c < parents.json; cat other", fetch=True, inputs={"other": "mine"})
    assert (await server.end_of(key)).state == "succeeded"
    assert server.logs[key] == "3000004\nmine"
    assert os.listdir(agent.settings.folder) == []


async def test_a_broken_download_is_tried_again(server: FakeServer, agent: RunningAgent) -> None:
    server.inputs[1, 1] = b"[1,2,3]"
    server.input_faults = [500, 0, 503]
    key = server.shell(1, "cat parents.json", fetch=True)
    assert (await server.end_of(key)).state == "succeeded"
    assert server.logs[key] == "[1,2,3]"


async def test_inputs_that_cannot_be_had_fail_one_attempt(server: FakeServer, agent: RunningAgent) -> None:
    bad, good = server.shell(1, "true", fetch=True), server.shell(2, "true")
    end = await server.end_of(bad)
    assert (end.state, end.cause) == ("failed", "infrastructure")
    assert "404" in end.message
    assert (await server.end_of(good)).state == "succeeded"
    assert (await server.end_of(server.shell(3, "true", cpu_milli=8000))).state == "succeeded"


async def test_a_download_can_be_cancelled(server: FakeServer, agent: RunningAgent) -> None:
    server.inputs[1, 1] = b"[]"
    server.input_faults = [-1]  # never answered
    key = server.shell(1, "true", fetch=True, cpu_milli=8000)
    await server.until(lambda: server.input_faults == [])
    server.cancel(key)
    assert (await server.end_of(key)).state == "cancelled"
    assert (await server.end_of(server.shell(2, "true", cpu_milli=8000))).state == "succeeded"
    assert os.listdir(agent.settings.folder) == []


# --- 10.10 and 6.6: what is told as out of memory


def test_a_peak_counts_only_where_it_is_clearly_above_the_agents_own() -> None:
    assert own_peak_kib(26_012, 26_000) == 0
    assert own_peak_kib(29_000, 26_000) == 0
    assert own_peak_kib(31_000, 26_000) == 31_000
    assert own_peak_kib(104_000, 100_000) == 0
    assert own_peak_kib(120_000, 100_000) == 120_000


@pytest.mark.parametrize(
    ("code", "peak_mib", "killed", "cause", "words"),
    [
        (3, 10, False, Cause.EXIT_CODE, "Exit code 3."),
        (
            3,
            63,
            False,
            Cause.EXIT_CODE,
            "Exit code 3. Its memory use reached 63 of 64 MiB; a higher memory request may help.",
        ),
        (
            3,
            64,
            False,
            Cause.EXIT_CODE,
            "Exit code 3. Its memory use reached 64 of 64 MiB; a higher memory request may help.",
        ),
        (
            3,
            65,
            False,
            Cause.OUT_OF_MEMORY,
            "Used 65 MiB of memory; the limit is 64 MiB. Request more memory.",
        ),
        (
            3,
            20,
            True,
            Cause.OUT_OF_MEMORY,
            "Used 64 MiB of memory; the limit is 64 MiB. Request more memory.",
        ),
        (
            -9,
            64,
            True,
            Cause.OUT_OF_MEMORY,
            "Used 64 MiB of memory; the limit is 64 MiB. Request more memory.",
        ),
        (-9, 10, False, Cause.EXIT_CODE, "Ended by signal SIGKILL, which Herder did not send."),
        (0, 100, True, Cause.NONE, ""),
    ],
)
def test_out_of_memory_is_said_only_when_the_limit_was_passed(
    code: int, peak_mib: int, killed: bool, cause: Cause, words: str
) -> None:
    end = judge(code, peak_mib * 1024, 64, held_kib=peak_mib * 1024, killed_for_memory=killed)
    assert (end.cause, end.message) == (cause, words)


def test_files_that_the_kernel_cached_are_no_reason_to_ask_for_more_memory() -> None:
    assert judge(3, 63 * 1024, 64, held_kib=9 * 1024, killed_for_memory=False).message == "Exit code 3."


@pytest.mark.parametrize("cgroups", [True, False])
async def test_small_failing_jobs_are_never_taken_for_out_of_memory(
    server: FakeServer, start_agent: StartAgent, cgroups: bool
) -> None:
    """Sixty of them, from an agent that is larger than their limit: a child's peak begins with its parent's."""
    start_agent(cgroups=cgroups)
    keys = [server.shell(job, "exit 3", memory_mib=16, cpu_milli=10) for job in range(60)]
    for key in keys:
        end = await server.end_of(key, 60)
        assert (end.cause, end.exit_code, end.message) == ("exit_code", 3, "Exit code 3.")
