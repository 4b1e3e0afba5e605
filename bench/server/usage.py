"""CPU seconds and memory of the processes that take part, by the part they play. Used around what is measured.

Processes that ended count through the parent that has reaped them, so a job's own process is never missed. Resolution is
10 ms per process: what is measured must take seconds.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple

import psutil

EMPTY: Mapping[str, str] = MappingProxyType({})


class Cpu(NamedTuple):
    """Seconds. `client` is the bench itself, `store` a PostgreSQL on this machine."""

    server: float = 0.0
    agents: float = 0.0
    client: float = 0.0
    store: float = 0.0

    @property
    def all(self) -> float:
        return sum(self)

    def since(self, before: "Cpu") -> "Cpu":
        return Cpu(*(now - then for now, then in zip(self, before, strict=True)))


def cpu_now(server: psutil.Process, store: psutil.Process | None) -> Cpu:
    """The server's own children are the agents; what they started counts with them."""
    agents = server.children()
    return Cpu(
        server=_own(server),
        agents=sum(family_s(agent) for agent in agents),
        client=_own(psutil.Process()),
        store=family_s(store) if store is not None else 0.0,
    )


def private_bytes(process: psutil.Process) -> int:
    """Resident memory without mapped files: SQLite maps its database, which is page cache and not the server's need."""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def peak_bytes(process: psutil.Process) -> int:
    """The most resident memory that it ever had, mapped files included."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def family_s(process: psutil.Process) -> float:
    """With all its descendants, living and reaped."""
    total = 0.0
    for each in (process, *_descendants(process)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


class Commanded(NamedTuple):
    """What one command of Herder took. `watched`: the most private memory of another process meanwhile."""

    code: int
    said: str
    cpu_s: float
    peak_bytes: int
    watched_bytes: int


def run_command(
    words: Sequence[str], more_environment: Mapping[str, str] = EMPTY, watched: psutil.Process | None = None
) -> Commanded:
    """A process of its own. What the system tells of the memory of a child includes that of its parent, so it is looked at while it runs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = private = 0
    with subprocess.Popen(
        [sys.executable, "-m", "herder.app", *words],
        env={**os.environ, **more_environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        child = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess, StopIteration, FileNotFoundError):
                peak = max(peak, peak_bytes(child))
            if watched is not None:
                private = max(private, private_bytes(watched))
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        assert process.stdout is not None
        said = process.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Commanded(process.returncode, said, cpu_s, peak, private)
