"""The output of jobs of real workers: parts of it, files, binary data, more than anybody wants, and after the worker has gone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.conftest import HERDER, Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(240)]
CONFIG = """
pools:
  std:
    driver: local
    templates: [{name: small, cpu: 2, memory: 1Gi, disk: 8Gi, price_per_hour: "0.01"}]
    max_workers: 1
    drain_grace: 1s
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("server"), None)
    made.config.write_text(CONFIG)
    made.start()
    yield made
    made.close()


def ended(place: Installation, *command: str) -> str:
    number = place.run("job", "submit", "--memory", "256Mi", "-o", "name", "--", *command).strip()
    place.run("job", "wait", number)
    return number


def raw(place: Installation, *words: str) -> bytes:
    return subprocess.run(
        [*HERDER, *words], env=place.env, capture_output=True, timeout=60, check=True
    ).stdout


def test_parts_and_files_also_when_the_worker_has_gone(place: Installation, tmp_path: Path) -> None:
    job = ended(place, "sh", "-c", "seq 1000; echo 'an Error'; printf 'no end'")
    other = ended(place, "sh", "-c", "echo nothing; echo error 2 >&2")
    worker = place.run("worker", "list", "-o", "name").split()[0]
    place.run("worker", "remove", worker, "--yes", "--force")
    place.until(lambda: not place.agents(), 30, "the worker to go")
    assert place.run("job", "logs", job, "--tail", "3") == "1000\nan Error\nno end"
    assert place.run("job", "logs", job, "--search", "error") == "an Error\n"
    assert place.run("job", "logs", job, other, "--search", "error") == (
        f"==> job {job} <==\nan Error\n==> job {other} <==\nerror 2\n"
    )
    assert place.run("job", "logs", job, "--range", "0-3") == "1\n2\n"
    assert place.run("job", "logs", job, "--range", "-6") == "no end"
    place.run("job", "logs", job, "--range", "99999-", code=2)
    place.run("job", "logs", job, "--search", "x", "-f", code=2)
    place.run("job", "logs", job, "--range", "3-a", code=2)
    whole = "".join(f"{number}\n" for number in range(1, 1001)) + "an Error\nno end"
    place.run("job", "logs", job, "--save", str(tmp_path / "one.txt"))
    assert (tmp_path / "one.txt").read_text() == whole
    place.run("job", "logs", job, other, "--save", str(tmp_path / "all"))
    assert sorted(os.listdir(tmp_path / "all")) == sorted([f"{job}.log", f"{other}.log"])
    place.run("job", "logs", job, "--save", str(tmp_path / "nowhere" / "one.txt"), code=1)
    assert sorted(os.listdir(tmp_path)) == ["all", "one.txt"]


def test_a_running_job_is_followed_from_its_last_lines_on(place: Installation, tmp_path: Path) -> None:
    script = f"seq 5; until test -e {tmp_path}/go; do sleep 0.1; done; echo end"
    number = place.run("job", "submit", "-o", "name", "--", "sh", "-c", script).strip()
    place.until(lambda: "5\n" in _so_far(place, number), 40, "its first lines")
    process = subprocess.Popen(
        [*HERDER, "job", "logs", number, "-f", "--tail", "2"],
        env=place.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["4\n", "5\n"]
    (tmp_path / "go").touch()
    assert process.communicate(timeout=40)[0] == "end\n"
    assert process.returncode == 0


def test_binary_output_is_text_that_harms_no_terminal(place: Installation) -> None:
    job = ended(place, sys.executable, "-c", "import os; os.write(1, bytes(range(256)) * 4)")
    piped = raw(place, "job", "logs", job).decode()
    assert "\0" not in piped
    assert "\ufffd" in piped
    shown = place.run("job", "get", job)
    assert "succeeded" in shown


def test_a_line_of_3_gib_harms_nobody(place: Installation) -> None:
    """Neither the server nor the agent nor the disk holds it, the job succeeds, and another job runs meanwhile."""
    assert place.server is not None
    script = (
        "import os; piece = b'x' * 2**20; [os.write(1, piece) for _ in range(3 * 1024)]; os.write(1, b'END')"
    )
    number = place.run(
        "job", "submit", "--memory", "256Mi", "-o", "name", "--", sys.executable, "-c", script
    ).strip()
    highest, processes = 0, [psutil.Process(place.server.pid)]
    ended(place, "true")

    def over() -> bool:
        nonlocal highest
        seen = [*processes, *place.main_agents()]
        highest = max([highest, *(_rss(each) for each in seen)])
        return "succeeded" in place.run("job", "get", number)

    place.until(over, 180, "the job to end")
    text = raw(place, "job", "logs", number)
    assert len(text) < 3 * 2**20
    assert text.endswith(b"END")
    assert b"bytes of output were omitted here" in text
    assert highest < 400 * 2**20
    left = sum(path.stat().st_size for path in place.data.rglob("*") if path.is_file())
    assert left < 200 * 2**20


def _so_far(place: Installation, number: str) -> str:
    done = subprocess.run(
        [*HERDER, "job", "logs", number], env=place.env, capture_output=True, text=True, check=False
    )
    return done.stdout


def _rss(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
