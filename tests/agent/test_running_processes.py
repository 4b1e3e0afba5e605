"""What a job sees and what is reported of it."""

import json
import os
from pathlib import Path

import pytest

from tests.agent.conftest import RunningAgent
from tests.agent.fake_server import FakeServer

pytestmark = pytest.mark.usefixtures("agent")


async def test_a_job_succeeds_with_output_and_use(server: FakeServer) -> None:
    key = server.shell(1, "echo hello; echo world >&2; for i in 1 2 3 4 5 6 7 8 9; do :; done")
    end = await server.end_of(key)
    assert (end.state, end.exit_code, end.cause) == ("succeeded", 0, "")
    assert server.logs[key] == "hello\nworld\n"
    assert 0 <= end.ended_at_ms - end.started_at_ms < 5000


async def test_exit_code_is_the_cause(server: FakeServer) -> None:
    end = await server.end_of(server.shell(1, "exit 7"))
    assert (end.state, end.exit_code, end.cause, end.message) == ("failed", 7, "exit_code", "Exit code 7.")


async def test_a_foreign_signal_is_named(server: FakeServer) -> None:
    end = await server.end_of(server.shell(1, "kill -SEGV $$"))
    assert (end.state, end.exit_code, end.cause) == ("failed", -11, "exit_code")
    assert "SIGSEGV" in end.message


async def test_a_missing_command_cannot_start(server: FakeServer) -> None:
    for job, command in ((1, ["/no/such/program"]), (2, []), (3, ["bad\0name"])):
        end = await server.end_of(server.assign(job, command=command))
        assert (end.state, end.cause, end.exit_code) == ("failed", "start_failed", None), end
        assert end.message


async def test_environment_is_minimal_and_marked(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "x")
    key = server.shell(5, "env", env={"MINE": "yes", "HERDER_WORKER": "forged"}, attempt=3)
    await server.end_of(key)
    seen = dict(line.split("=", 1) for line in server.logs[key].splitlines())
    assert "SECRET_OF_THE_AGENT" not in seen
    assert seen["MINE"] == "yes"
    assert (seen["HERDER_WORKER"], seen["HERDER_JOB_ID"], seen["HERDER_ATTEMPT"]) == ("w", "5", "3")
    assert seen["HERDER_INSTALLATION"] == agent.settings.installation
    assert seen["HERDER_SCRATCH"] == seen["PWD"] == seen["TMPDIR"]


async def test_stdin_comes_from_the_payload_or_is_empty(server: FakeServer) -> None:
    text = "käse\n" * 30_000
    first = server.shell(1, "cat | wc -c", stdin=text)
    second = server.shell(2, "cat | wc -c")
    await server.end_of(first)
    await server.end_of(second)
    assert (server.logs[first].strip(), server.logs[second].strip()) == (str(len(text.encode())), "0")


async def test_inputs_are_files_in_scratch(server: FakeServer) -> None:
    key = server.shell(1, "cat a.txt sub/b.txt", inputs={"a.txt": "A", "sub/b.txt": "B"})
    await server.end_of(key)
    assert server.logs[key] == "AB"


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", "a//b", "a\0b", "."])
async def test_inputs_cannot_leave_scratch(server: FakeServer, agent: RunningAgent, name: str) -> None:
    end = await server.end_of(server.shell(1, "true", inputs={name: "evil"}))
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert os.listdir(agent.settings.folder) == []


async def test_a_script_among_the_inputs_can_be_started_and_other_files_cannot(server: FakeServer) -> None:
    script = '#!/bin/sh\necho "$1 $(cat data)"\ntest ! -x data'
    key = server.assign(1, command=["./sub/run.sh", "a b"], inputs={"sub/run.sh": script, "data": "text"})
    end = await server.end_of(key)
    assert (end.state, server.logs[key]) == ("succeeded", "a b text\n")


async def test_a_job_runs_in_the_folder_that_it_names(server: FakeServer, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    key = server.shell(
        1, "pwd; echo x > left; cat $HERDER_SCRATCH/in", cwd=str(folder), inputs={"in": "given"}
    )
    await server.end_of(key)
    assert server.logs[key] == f"{folder}\ngiven"
    assert (folder / "left").read_text() == "x\n", "a folder of somebody else is not cleared"
    end = await server.end_of(server.shell(2, "true", cwd=str(tmp_path / "gone")))
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert f"its working folder {tmp_path}/gone does not exist on this worker" in end.message


async def test_result_is_the_json_that_was_written(server: FakeServer) -> None:
    end = await server.end_of(server.shell(1, """echo '{"answer": [42, "ü"]}' > $HERDER_RESULT"""))
    assert json.loads(bytes(end.result)) == {"answer": [42, "ü"]}
    assert end.message == ""


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("echo '{oops' > $HERDER_RESULT", "not JSON"),
        ("printf '' > $HERDER_RESULT", "not JSON"),
        ("mkfifo $HERDER_RESULT", "not a regular file"),
        ("mkdir $HERDER_RESULT", "not a regular file"),
        ("ln -s /etc/passwd $HERDER_RESULT", "cannot be read"),
        ("head -c 1100000 /dev/zero | tr '\\0' 1 > $HERDER_RESULT", "larger than"),
    ],
)
async def test_a_bad_result_is_a_message_and_no_failure(
    server: FakeServer, agent: RunningAgent, script: str, word: str
) -> None:
    end = await server.end_of(server.shell(1, script))
    assert (end.state, bytes(end.result)) == ("succeeded", b"null")
    assert word in end.message
    await server.until(lambda: os.listdir(agent.settings.folder) == [])


async def test_scratch_is_removed_whatever_is_in_it(server: FakeServer, agent: RunningAgent) -> None:
    script = (
        "mkdir -p a/b; echo x > a/b/c; ln -s / root; mkfifo p; chmod 000 a/b; chmod 500 a; echo y > $TMPDIR/t"
    )
    await server.end_of(server.shell(1, script))
    await server.until(lambda: os.listdir(agent.settings.folder) == [])
    assert os.path.exists("/etc")


async def test_nothing_runs_beyond_the_limits_of_the_worker(server: FakeServer) -> None:
    keys = [server.shell(job, "sleep 0.2", cpu_milli=4000) for job in range(4)]
    ends = [await server.end_of(key) for key in keys]
    order = sorted(ends, key=lambda end: end.started_at_ms)
    assert [end.job for end in order] == [0, 1, 2, 3]
    assert order[2].started_at_ms >= min(order[0].ended_at_ms, order[1].ended_at_ms) - 1


async def test_what_can_never_fit_is_handed_back(server: FakeServer) -> None:
    end = await server.end_of(server.shell(1, "true", cpu_milli=9000))
    assert (end.state, end.cause) == ("failed", "infrastructure")
    assert "cpu_milli" in end.message


async def test_an_unknown_runtime_cannot_start(server: FakeServer) -> None:
    end = await server.end_of(server.assign(1, runtime="quantum"))
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert "quantum" in end.message


async def test_cpu_time_is_exact(server: FakeServer) -> None:
    script = "import time\nwhile time.process_time() < 0.3: pass"
    end = await server.end_of(server.assign(1, command=["python3", "-c", script]))
    assert 300 <= end.cpu_ms < 1500


async def test_two_attempts_of_one_job_are_apart(server: FakeServer) -> None:
    first = server.shell(1, "exit 1")
    await server.end_of(first)
    assert (await server.end_of(server.shell(1, "true", attempt=2))).state == "succeeded"
