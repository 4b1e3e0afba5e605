"""One server under test with its agents: started as a person would start it, from a herder.yaml, and stopped afterwards.

Used by the measurements. The server is a process of its own (`herder up`), its agents are those that the local driver starts;
nothing is faked between them but the workers of the idle-workers measurement.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bench.server.calls import BadAnswer, Caller, connect
from bench.server.usage import Cpu, cpu_now
from herder.cli.shell.exit_codes import CommandError
from herder.control.kernel import clock
from herder.server.data.opening import SERVER_FILE
from herder.server.options import ADMIN_TOKEN

#: From the start of the server until its agents are ready; and from being told to stop until it has.
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0
#: After the last job has ended: receipts and the last commits are part of what the jobs cost.
SETTLE_S = 0.1

#: `work` has the agents. `later` is frozen and gets no workers: what is sent there only waits.
POOLS = """
pools:
  work:
    templates: [{{name: bench, cpu: 2, memory: 2Gi, price_per_hour: "0", slots: 1000}}]
    min_workers: {agents}
    max_workers: {agents}
    idle_timeout: null
    default_eligible: false
  later:
    templates: [{{name: bench, cpu: 2, memory: 2Gi, price_per_hour: "0", slots: 1000}}]
    max_workers: 1
    default_eligible: false
    frozen: true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What some jobs took."""

    jobs: int
    wall_s: float
    cpu: Cpu


@dataclass(slots=True, kw_only=True)
class World:
    url: str
    token: str
    folder: Path
    server: psutil.Process
    store: psutil.Process | None
    caller: Caller
    process: "subprocess.Popen[bytes]"
    config: Path
    store_url: str | None
    started_ms: int = 0
    """After a restart: when the server took its first connection."""

    async def restart(self) -> None:
        """SIGKILL, and a new server at the same address with the same data. Returns when it listens."""
        self.process.kill()
        await asyncio.to_thread(self.process.wait)
        self.caller.close()
        self.process = _start(self.folder, self.config, self.store_url, port=urlsplit(self.url).port or 0)
        self.server = psutil.Process(self.process.pid)
        async with asyncio.timeout(START_LIMIT_S):
            while True:
                try:
                    self.caller = await connect(self.url, self.token)
                    break
                except OSError:
                    await asyncio.sleep(0.02)
        self.started_ms = clock.now_ms()

    async def another_caller(self) -> Caller:
        return await connect(self.url, self.token)

    def cpu(self) -> Cpu:
        return cpu_now(self.server, self.store)

    async def metered(self, jobs: int, work: Awaitable[object]) -> Run:
        """`work` has not begun: a coroutine, which runs from here on."""
        before, began = self.cpu(), clock.monotonic_s()
        await work
        wall_s = clock.monotonic_s() - began
        await asyncio.sleep(SETTLE_S)
        return Run(jobs=jobs, wall_s=wall_s, cpu=self.cpu().since(before))


@asynccontextmanager
async def running_world(
    folder: Path, store_url: str | None, store: psutil.Process | None, *, agents: int, more_settings: str = ""
) -> AsyncIterator[World]:
    """Yields when all agents are ready. `folder` must be empty. Raises CommandError when the server does not start."""
    config = folder / "herder.yaml"
    config.write_text(POOLS.format(agents=agents) + more_settings)
    process = _start(folder, config, store_url)
    try:
        try:
            async with asyncio.timeout(START_LIMIT_S):
                url, token = await _address(process, folder)
                caller = await connect(url, token)
                await ready(caller, "work", agents)
        except (TimeoutError, OSError) as error:
            raise CommandError(
                f"the server and its agents are not ready: {error!r}\n{_log(folder)}"
            ) from error
        server = psutil.Process(process.pid)
        world = World(
            url=url, token=token, folder=folder, server=server, store=store, caller=caller,
            process=process, config=config, store_url=store_url,
        )  # fmt: skip
        try:
            yield world
        finally:
            process = world.process
        world.caller.close()
    except BadAnswer as error:
        raise CommandError(f"the server does not do what is measured: {error}\n{_log(folder)}") from error
    finally:
        await asyncio.to_thread(_stop, process)


async def ready(caller: Caller, pool: str, workers: int) -> None:
    """Returns when so many workers of the pool take work."""
    while (await caller.ask("GET", f"/pools/{pool}"))["ready"] < workers:
        await asyncio.sleep(0.05)


def _start(folder: Path, config: Path, store_url: str | None, port: int = 0) -> "subprocess.Popen[bytes]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HERDER_")}
    if store_url is not None:
        environment["HERDER_STORE"] = store_url  # it may hold a password: not in argv
    command = [sys.executable, "-m", "herder.app", "up", "--port", str(port)]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--data-dir", str(folder / "data"), "--config", str(config)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


async def _address(process: "subprocess.Popen[bytes]", folder: Path) -> tuple[str, str]:
    said = folder / "data" / SERVER_FILE
    while True:
        if process.poll() is not None:
            raise CommandError(f"the server does not start:\n{_log(folder)}")
        try:
            url = json.loads(said.read_text())["url"]
        except (FileNotFoundError, ValueError):
            await asyncio.sleep(0.05)
            continue
        return str(url), (folder / "data" / ADMIN_TOKEN).read_text().strip()


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """In order; a server that does not stop is killed with the agents that it started."""
    if process.poll() is not None:
        return
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        for each in family:
            if each.is_running():
                each.kill()


def _log(folder: Path) -> str:
    return (folder / "server.log").read_text(errors="replace")[-4000:].strip()
