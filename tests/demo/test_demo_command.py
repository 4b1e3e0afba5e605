"""`herder demo` as people type it: what it says, what it leaves behind, and that every worker and waiting job is explained."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from herder.client import HerderClient
from tests.demo.conftest import Start, left_in

pytestmark = pytest.mark.acceptance


def wait_for(path: Path, process: "subprocess.Popen[str]", seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


@pytest.mark.slow  # the burst workers' idle timeout of 4 s is part of it: about 12 s
@pytest.mark.timeout(120)
def test_a_tiny_tree_is_counted_and_everything_is_explained(start: Start, tree: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    demo = start("--input", str(tree), "--data-dir", str(data), "--keep")
    wait_for(data / "server.json", demo)
    server = json.loads((data / "server.json").read_text())
    waiting: dict[int, str] = {}
    with HerderClient(server["url"], (data / "admin.token").read_text().strip()) as client:
        while demo.poll() is None:
            for job in client.jobs.list():
                if job.state in ("ready", "blocked"):
                    waiting[job.id] = client.jobs.explain(job.id).summary
            time.sleep(0.05)
        said = demo.communicate()[0]
        assert demo.returncode == 0, said
        jobs, workers = list(client.jobs.list()), list(client.workers.list(ended=True))
        assert {job.state for job in jobs} == {"succeeded"}
        assert waiting, "no job was ever seen waiting"
        assert all(waiting.values())
        for worker in workers:
            found = client.workers.why(worker.name)
            assert worker.why_made in found.summary
            assert worker.why_removed in found.summary
            assert worker.name in said
        gone = [worker for worker in workers if worker.pool == "burst"]
        assert gone, said
        assert all(worker.why_removed for worker in gone)
        asked = [("why", "worker", gone[0].name), ("job", "explain", str(next(iter(waiting))))]
        for words in asked:
            answer = subprocess.run(
                [sys.executable, "-m", "herder.app", "--server", server["url"],
                 "--token-file", str(data / "admin.token"), *words],
                capture_output=True, text=True, timeout=30, check=True,
            )  # fmt: skip
            assert words[-1] in answer.stdout
    for part in (
        "is equal",
        "created",
        "removed",
        "analytics",
        "research",
        server["url"],
        f"kill {server['pid']}",
    ):
        assert part in said
    kept = psutil.Process(server["pid"])
    kept.terminate()
    psutil.wait_procs([kept], timeout=25)
    assert left_in(tmp_path) == []


@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_folder(
    start: Start, tree: Path, tmp_path: Path, number: signal.Signals
) -> None:
    demo = start("--input", str(tree))
    deadline = time.monotonic() + 30
    while not any("HERDER_JOB_ID" in environment_of(each) or is_agent(each) for each in left_in(tmp_path)):
        assert demo.poll() is None, demo.communicate()[0]
        assert time.monotonic() < deadline, "no worker came"
        time.sleep(0.02)
    demo.send_signal(number)
    said = demo.communicate(timeout=40)[0]
    # CPython ends by SIGINT itself when the interrupt came in the middle of an exec: a shell calls both 130.
    assert demo.returncode in (130, -signal.SIGINT), said
    assert left_in(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "Traceback" not in said


def test_an_input_without_python_is_a_clear_error_and_starts_nothing(start: Start, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    demo = start("--input", str(empty))
    said = demo.communicate(timeout=30)[0]
    assert demo.returncode == 2
    assert said.startswith(f"error: There are no Python files in {empty}.\n")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_folder_of_another_server_is_refused(start: Start, tree: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "herder.db").write_bytes(b"")
    demo = start("--input", str(tree), "--data-dir", str(data))
    said = demo.communicate(timeout=30)[0]
    assert demo.returncode == 4
    assert "already contains the data of a server" in said


def test_a_port_in_use_is_said_as_the_server_says_it(start: Start, tree: Path, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        demo = start("--input", str(tree), "--port", str(taken.getsockname()[1]))
        said = demo.communicate(timeout=40)[0]
    assert demo.returncode == 4
    assert "Cannot listen on 127.0.0.1" in said
    assert list((tmp_path / "tmp").iterdir()) == []


def is_agent(process: psutil.Process) -> bool:
    try:
        return "herder.agent" in process.cmdline()
    except psutil.Error:
        return False


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}
