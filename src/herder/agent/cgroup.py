"""A cgroup for each attempt, version 1 or 2, where this agent may make them. Best effort, used by the process runtime.

What they give: CPU as a weight under contention (or a hard cap where the job or its pool says so), memory as a cap that the kernel
keeps, with shared memory and files in /dev/shm, and every process of an attempt by name, also those that hide. Without them
the same limits hold by sampling, binding and sessions, only more coarsely. Where they are made: `cgroup_place`.
"""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

PERIOD_US = 100_000
_SHARES_PER_CORE = 1024
_KILL_PASSES = 5


class Cgroup(Protocol):
    """Of one attempt."""

    def add(self, pid: int) -> None:
        """Raises OSError."""

    def pids(self) -> set[int]: ...

    def kill(self) -> None: ...

    def memory_kib(self) -> int:
        """Held now: anonymous and shared memory, /dev/shm included; not what the kernel only keeps to read it faster."""

    def memory_peak_kib(self) -> int:
        """The most that was charged, less what is only cached files; 0 when this kernel does not tell (v2 before 5.19)."""

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed one of its processes for memory."""

    def remove(self) -> bool:
        """Whether it is gone: a process that is just dying keeps it. May be called again."""


class CgroupV2:
    __slots__ = ("_folder",)

    def __init__(self, parent: Path, name: str, cpu_milli: int, memory_mib: int, *, cpu_hard: bool) -> None:
        """Raises OSError."""
        self._folder = parent / name
        self._folder.mkdir(exist_ok=True)
        try:
            _write(self._folder / "cpu.weight", str(weight_of(cpu_milli)))
            if cpu_hard and cpu_milli:
                _write(self._folder / "cpu.max", f"{quota_us(cpu_milli)} {PERIOD_US}")
            if memory_mib:
                _write(self._folder / "memory.max", str(memory_mib * 2**20))
                with suppress(OSError):
                    _write(self._folder / "memory.swap.max", "0")
                with suppress(OSError):
                    _write(self._folder / "memory.oom.group", "1")
        except OSError:
            self.remove()
            raise

    def add(self, pid: int) -> None:
        _write(self._folder / "cgroup.procs", str(pid))

    def pids(self) -> set[int]:
        return _pids(self._folder)

    def kill(self) -> None:
        try:
            _write(self._folder / "cgroup.kill", "1")
        except OSError:  # before 5.14
            _kill_all((self._folder,))

    def memory_kib(self) -> int:
        stat = _numbers(self._folder / "memory.stat")
        return (stat.get("anon", 0) + stat.get("shmem", 0)) // 1024

    def memory_peak_kib(self) -> int:
        stat = _numbers(self._folder / "memory.stat")
        cached = max(0, stat.get("file", 0) - stat.get("shmem", 0))
        return max(0, _number(self._folder / "memory.peak") - cached) // 1024

    def ran_out_of_memory(self) -> bool:
        return _numbers(self._folder / "memory.events").get("oom_kill", 0) > 0

    def remove(self) -> bool:
        return _remove((self._folder,))


class CgroupV1:
    """One folder in each hierarchy; the two may be the same."""

    __slots__ = ("_cpu", "_memory")

    def __init__(
        self, cpu: Path, memory: Path, name: str, cpu_milli: int, memory_mib: int, *, cpu_hard: bool
    ) -> None:
        """Raises OSError."""
        self._cpu, self._memory = cpu / name, memory / name
        try:
            for folder in (self._cpu, self._memory):
                folder.mkdir(exist_ok=True)
            _write(self._cpu / "cpu.shares", str(shares_of(cpu_milli)))
            if cpu_hard and cpu_milli:
                _write(self._cpu / "cpu.cfs_period_us", str(PERIOD_US))
                _write(self._cpu / "cpu.cfs_quota_us", str(quota_us(cpu_milli)))
            if memory_mib:
                _write(self._memory / "memory.limit_in_bytes", str(memory_mib * 2**20))
                with suppress(OSError):  # only where swap is accounted for
                    _write(self._memory / "memory.memsw.limit_in_bytes", str(memory_mib * 2**20))
        except OSError:
            self.remove()
            raise

    def add(self, pid: int) -> None:
        for folder in (self._memory, self._cpu):
            _write(folder / "cgroup.procs", str(pid))

    def pids(self) -> set[int]:
        return _pids(self._memory)

    def kill(self) -> None:
        _kill_all((self._memory, self._cpu))

    def memory_kib(self) -> int:
        stat = _numbers(self._memory / "memory.stat")
        return (stat.get("rss", 0) + stat.get("shmem", 0)) // 1024

    def memory_peak_kib(self) -> int:
        stat = _numbers(self._memory / "memory.stat")
        cached = max(0, stat.get("cache", 0) - stat.get("shmem", 0))
        return max(0, _number(self._memory / "memory.max_usage_in_bytes") - cached) // 1024

    def ran_out_of_memory(self) -> bool:
        return _numbers(self._memory / "memory.oom_control").get("oom_kill", 0) > 0

    def remove(self) -> bool:
        return _remove((self._cpu, self._memory))


def shares_of(cpu_milli: int) -> int:
    return max(2, cpu_milli * _SHARES_PER_CORE // 1000)


def weight_of(cpu_milli: int) -> int:
    """The same on the scale of v2, as Kubernetes translates it."""
    return min(10_000, 1 + (shares_of(cpu_milli) - 2) * 9999 // 262_142)


def quota_us(cpu_milli: int) -> int:
    """In each period; the kernel takes no less than 1 ms."""
    return max(1000, cpu_milli * PERIOD_US // 1000)


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _number(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def _numbers(path: Path) -> dict[str, int]:
    """Lines of `name number`; what is none is left out."""
    found: dict[str, int] = {}
    with suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" ")
            if value.isdigit():
                found[name] = int(value)
    return found


def _pids(folder: Path) -> set[int]:
    with suppress(OSError, ValueError):
        return {int(line) for line in (folder / "cgroup.procs").read_text().split()}
    return set()


def _kill_all(folders: Sequence[Path]) -> None:
    """Until none is left that can be killed: a process may be just being born. Never this process."""
    for _ in range(_KILL_PASSES):
        pids = set().union(*(_pids(folder) for folder in folders)) - {os.getpid()}
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _remove(folders: Sequence[Path]) -> bool:
    gone = True
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            gone = False
    return gone
