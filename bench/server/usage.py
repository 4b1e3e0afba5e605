"""CPU seconds and memory of the processes that take part, by the part they play. Used around what is measured.

Processes that ended count through the parent that has reaped them, so a job's own process is never missed. Resolution is
10 ms per process: what is measured must take seconds.
"""

from contextlib import suppress
from typing import NamedTuple

import psutil


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
