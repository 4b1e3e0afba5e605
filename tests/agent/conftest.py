"""An agent in this process against the fake server, and the same as a real process."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from herder.agent.environment.settings import AgentSettings
from herder.agent.main import ExitCode, live
from herder.wire.worker import startup
from tests.agent.fake_server import FakeServer


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server
        assert server.complaints == []


class RunningAgent:
    """`exit_code` ends when the agent has left; `leave` is its SIGTERM."""

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings
        self.leave = asyncio.Event()
        self.exit_code: Awaitable[ExitCode] = asyncio.ensure_future(live(settings, self.leave))

    async def left(self, timeout_s: float = 10) -> ExitCode:
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(self.exit_code)


StartAgent = Callable[..., RunningAgent]


@pytest.fixture
async def start_agent(server: FakeServer, tmp_path: Path) -> AsyncIterator[StartAgent]:
    agents: list[RunningAgent] = []

    def start(**changes: object) -> RunningAgent:
        options = {
            "server_url": server.url,
            "worker": "w",
            "activation_token": "one-time",
            "installation": f"test-{os.getpid()}",
            "work_folder": tmp_path / "work",
            "self_delete_after_s": 5.0,
            "kill_grace_s": 0.3,
            "sample_s": 0.05,
            "disk_sample_s": 0.05,
            "log_every_s": 0.1,
            "leave_timeout_s": 3.0,
        }
        agents.append(RunningAgent(AgentSettings(**(options | changes))))
        return agents[-1]

    yield start
    for agent in agents:
        agent.leave.set()
        await agent.left()


@pytest.fixture
async def agent(start_agent: StartAgent) -> RunningAgent:
    return start_agent()


@pytest.fixture
def agent_process(server: FakeServer, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts `python -m herder.agent` for real."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            startup.SERVER: server.url,
            startup.WORKER: "w",
            startup.INSTALLATION: "process-test",
            startup.ACTIVATION_TOKEN: "one-time",
            startup.WORK_FOLDER: str(tmp_path / "work"),
        }
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "herder.agent"], env=environment, stderr=subprocess.DEVNULL
            )
        )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait()


def processes_with(mark: str) -> list[int]:
    """Live processes whose command line or environment contains `mark`, this one and its ancestors apart."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if any(mark in part for part in process.cmdline()) or mark in process.environ().values():
                found.append(process.pid)
    return found
