"""The installed command as subprocesses, in a data folder of their own; what is left of them is found and named."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

HERDER = [str(Path(sys.executable).with_name("herder"))]
CONFIG = """
pools:
  std:
    driver: local
    templates:
      - {name: half, cpu: 500m, memory: 256Mi, disk: 1Gi, price_per_hour: "0.01"}
    max_workers: 3
    idle_timeout: 60s
    dead_after: 6s
    boot_timeout: 60s
    drain_grace: 10s
"""


class Installation:
    """`herder up` on one data folder, killed and started again as a test likes."""

    def __init__(self, folder: Path, store: str | None) -> None:
        self.folder, self.data = folder, folder / "data"
        self.config = folder / "herder.yaml"
        self.config.write_text(CONFIG)
        self.store = ["--store", store] if store else []
        self.more: list[str] = []
        """Further flags of `herder up`."""
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
        self.env |= {"HERDER_DATA_DIR": str(self.data), "XDG_CONFIG_HOME": str(folder / "config")}
        self.server: subprocess.Popen[bytes] | None = None
        self.log = (folder / "server.log").open("ab")
        self.port = "0"

    def start(self) -> None:
        """At the same port again, as a server that comes back does."""
        (self.data / "server.json").unlink(missing_ok=True)
        words = [
            "up",
            "--data-dir",
            str(self.data),
            "--config",
            str(self.config),
            "--port",
            self.port,
            *self.store,
            *self.more,
        ]
        self.server = subprocess.Popen(HERDER + words, env=self.env, stderr=self.log, stdout=self.log)
        self.until((self.data / "server.json").exists, 40, "the server to start")
        if self.port == "0":
            self.port = json.loads((self.data / "server.json").read_text())["url"].rpartition(":")[2]

    def kill(self) -> None:
        assert self.server is not None
        self.server.send_signal(signal.SIGKILL)
        self.server.wait(10)
        self.server = None

    def stop(self) -> int:
        assert self.server is not None
        self.server.send_signal(signal.SIGTERM)
        code = self.server.wait(40)
        self.server = None
        return code

    def run(self, *words: str, code: int = 0, limit_s: float = 60) -> str:
        done = subprocess.run(
            HERDER + list(words), env=self.env, capture_output=True, text=True, timeout=limit_s, check=False
        )
        assert done.returncode == code, (words, done.returncode, done.stdout[-500:], done.stderr[-1500:])
        return done.stdout

    def agents(self) -> list[psutil.Process]:
        """Workers of this installation that run, found by their environment."""
        found = []
        for process in psutil.process_iter():
            try:
                folder = process.environ().get("HERDER_WORK_FOLDER", "")
                if str(self.data) in folder and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def main_agents(self) -> list[psutil.Process]:
        """Agents alone, without the attempts that they run."""
        mine = {process.pid for process in self.agents()}
        return [process for process in self.agents() if process.ppid() not in mine]

    def left(self) -> list[str]:
        """Agents and jobs of this installation that run, as a failed test shows them."""
        found = {process.pid: process for process in (*self.agents(), *self._attempts())}
        return [str(process) for process in found.values()]

    def until(self, done: Callable[[], bool], limit_s: float, what: str) -> None:
        give_up_at = time.monotonic() + limit_s
        while not done():
            if self.server is not None and self.server.poll() is not None:
                raise AssertionError(f"the server ended with {self.server.returncode}: {self.said()}")
            if time.monotonic() > give_up_at:
                raise AssertionError(f"waited {limit_s:g} s for {what}; the server said: {self.said()}")
            time.sleep(0.05)

    def said(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-3000:]

    def close(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait(10)
        self.log.close()
        while left := [
            *self.agents(),
            *self._attempts(),
        ]:  # an agent that is still there may start another attempt
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=10)

    def _attempts(self) -> list[psutil.Process]:
        """What jobs run: their scripts name our folder, or they run in it."""
        found, ours = [], str(self.folder)
        for process in psutil.process_iter():
            try:
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if ours in process.cwd() or any(ours in word for word in process.cmdline()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    store = None if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    made = Installation(tmp_path, store)
    yield made
    made.close()
