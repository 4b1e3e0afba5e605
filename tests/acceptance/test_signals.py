"""Signals of the installed command: what a stop says and waits for, what SIGHUP does, and that no job that ends in its time is cut off."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import CONFIG, HERDER, Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(120)]

#: Says that it runs; told to end, takes its time, and ends well.
TIDY = "trap 'sleep 1; touch {0}/tidy; exit 0' TERM; touch {0}/runs; while true; do sleep 0.05; done"
STUBBORN = "trap '' TERM; touch {0}/runs; while true; do sleep 0.05; done"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, None)
    yield made
    made.close()


def running(installation: Installation, script: str) -> None:
    """A job that runs."""
    script = script.format(installation.folder)
    installation.run("job", "submit", "--cpu", "100m", "--memory", "32Mi", "--", "bash", "-c", script)
    installation.until((installation.folder / "runs").exists, 60, "the job to run")


def ended(installation: Installation) -> int:
    assert installation.server is not None
    code = installation.server.wait(60)
    installation.server = None
    return code


def test_a_stop_says_what_it_waits_for_and_lets_a_tidy_job_end(installation: Installation) -> None:
    installation.start()
    running(installation, TIDY)
    assert installation.server is not None
    installation.server.send_signal(signal.SIGINT)
    assert ended(installation) == 0
    assert (
        "Stopping 1 worker with 1 running job. Press Ctrl-C again to stop them immediately."
        in installation.said()
    )
    assert (installation.folder / "tidy").exists()
    assert installation.left() == []
    installation.start()
    state = json.loads(installation.run("job", "get", "1", "-o", "json"))["state"]
    assert state in ("succeeded", "ready", "running")  # it ended well, or it is tried again: never lost


def test_a_second_signal_hastens(installation: Installation) -> None:
    installation.start()
    running(installation, STUBBORN)
    assert installation.server is not None
    installation.server.send_signal(signal.SIGINT)
    installation.until(lambda: "Stopping 1 worker" in installation.said(), 20, "the stop to begin")
    installation.server.send_signal(signal.SIGINT)
    assert ended(installation) == 0
    assert "Stopping immediately." in installation.said()
    assert (installation.left(), installation.said().count("could not be removed")) == ([], 0)


def test_a_third_signal_ends_it_where_it_stands(installation: Installation) -> None:
    installation.start()
    running(installation, STUBBORN)
    assert installation.server is not None
    for word in ("Stopping 1 worker", "Stopping immediately."):
        installation.server.send_signal(signal.SIGTERM)
        installation.until(lambda word=word: word in installation.said(), 20, word)  # type: ignore[misc]
    installation.server.send_signal(signal.SIGTERM)
    assert ended(installation) in (130, 0)  # it may have come to its end by itself
    installation.start()
    assert json.loads(installation.run("job", "get", "1", "-o", "json"))["state"] in ("ready", "running")


def test_sighup_of_up_is_a_stop(installation: Installation) -> None:
    installation.start()
    running(installation, TIDY)
    assert installation.server is not None
    installation.server.send_signal(signal.SIGHUP)
    assert ended(installation) == 0
    assert "Stopping 1 worker" in installation.said()
    assert installation.left() == []


class Server:
    """`herder server`, with what it says."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "herder.yaml"
        self.config.write_text(CONFIG)
        self.data = folder / "data"
        env = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
        self.env = env | {"HERDER_DATA_DIR": str(self.data), "XDG_CONFIG_HOME": str(folder / "config")}
        self.process = subprocess.Popen(
            [*HERDER, "server", "-c", str(self.config), "--port", "0"],
            env=self.env,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.news = threading.Condition()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.hear("listens on")

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as said:
            for line in said:
                with self.news:
                    self.lines.append(line.strip())
                    self.news.notify_all()

    def hear(self, words: str) -> str:
        """The first line with these words that nobody has asked for yet."""
        with self.news:
            assert self.news.wait_for(lambda: any(words in line for line in self.lines), 60), self.lines
            while words not in (line := self.lines.pop(0)):
                pass
            return line

    def run(self, *words: str) -> str:
        done = subprocess.run(
            HERDER + list(words), env=self.env, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout


def test_sighup_of_a_server_reads_its_files_again_or_changes_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        server.config.write_text(
            CONFIG.replace("max_workers: 3", "max_workers: 2") + "\nusers:\n  ann: {role: viewer}\n"
        )
        server.process.send_signal(signal.SIGHUP)
        assert server.hear("eloaded") == "Reloaded: 1 of 1 pool and 1 of 1 user changed."
        assert json.loads(server.run("pool", "get", "std", "-o", "json"))["max_workers"] == 2
        server.config.write_text(CONFIG.replace("max_workers: 3", "max_workers: three"))
        server.process.send_signal(signal.SIGHUP)
        told = server.hear("eloaded")
        assert told.startswith("Not reloaded; nothing was changed.")
        assert "herder.yaml:" in told
        assert "three" in told
        assert json.loads(server.run("pool", "get", "std", "-o", "json"))["max_workers"] == 2
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0
        server.hear("Stopping.")
    finally:
        server.process.kill()
        server.process.wait(10)
        server.listener.join(10)
