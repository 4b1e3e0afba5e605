"""A cgroup for an attempt, version 1 or 2, where this agent may create them. Best effort; used by the process runtime.

What they give: CPU as a weight under contention (or a hard cap where the job or its pool says so), memory as a cap that the kernel
keeps, with shared memory and files in /dev/shm, and every process of an attempt by name, also those that hide. Without them
the same limits hold by sampling, binding and sessions, only more coarsely. Where they are made, and used again: `cgroup_place`.
"""

import os
import signal
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PERIOD_US = 100_000
_SHARES_PER_CORE = 1024
_KILL_PASSES = 5
_READ_BYTES = 16_384
#: What cached files can hide in a peak below this is not worth a look.
_SMALL_PEAK_BYTES = 16 * 2**20
#: A group to which more is still charged after an attempt is not used again: it would count against the next.
_LEFT_MOST_BYTES = 2 * 2**20

#: From this part of the limit on a peak says nothing.
_AT_LIMIT = 0.95


class Limits(NamedTuple):
    cpu_milli: int
    memory_mib: int
    """0: none."""
    cpu_hard: bool = False


class Cgroup(ABC):
    """Of one attempt at a time. Making one is dear for a short job, so it is used again for the next."""

    __slots__ = ("_limits", "_peak_before", "memory")

    def __init__(self, memory: str) -> None:
        self.memory = memory
        self._limits: Limits | None = None
        self._peak_before = 0

    def begin(self, limits: Limits) -> None:
        """For the next attempt. Raises OSError."""
        if limits != self._limits:
            self._limits = None
            self._set(limits)
            self._limits = limits
        self._begin_peak()

    @abstractmethod
    def add(self, pid: int) -> None:
        """Raises OSError."""

    def pids(self) -> set[int]:
        try:
            return {int(each) for each in _read(f"{self.memory}/cgroup.procs").split()}
        except (OSError, ValueError):
            return set()

    def kill(self) -> None:
        """Until none is left that can be killed: a process may be just being born. Never this process."""
        for _ in range(_KILL_PASSES):
            pids = self.pids() - {os.getpid()}
            if not pids:
                return
            for pid in pids:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    @abstractmethod
    def memory_kib(self) -> int:
        """Held now: anonymous and shared memory, /dev/shm included; not what the kernel only keeps to read it faster."""

    @abstractmethod
    def memory_peak_kib(self, limit_kib: int = 0) -> int:
        """The most that was charged, less what is only cached files; 0 when it is not known. At the limit it is not: cached files fill
        whatever a job leaves, and those that it has removed are not counted any more."""

    @abstractmethod
    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process in it for memory."""

    @abstractmethod
    def is_clean(self) -> bool:
        """Whether the next attempt can have it as if it were new."""

    @abstractmethod
    def remove(self) -> bool:
        """Whether it is gone: a process that is just dying keeps it. May be called again."""

    @abstractmethod
    def _set(self, limits: Limits) -> None: ...

    @abstractmethod
    def _begin_peak(self) -> None: ...


class CgroupV2(Cgroup):
    __slots__ = ()

    def __init__(self, parent: Path, name: str) -> None:
        """Raises OSError."""
        super().__init__(f"{parent}/{name}")
        _make(self.memory)

    def add(self, pid: int) -> None:
        _write(f"{self.memory}/cgroup.procs", str(pid))

    def kill(self) -> None:
        try:
            _write(f"{self.memory}/cgroup.kill", "1")
        except OSError:  # before 5.14
            super().kill()

    def memory_kib(self) -> int:
        stat = _numbers(f"{self.memory}/memory.stat")
        return (stat.get("anon", 0) + stat.get("shmem", 0)) // 1024

    def memory_peak_kib(self, limit_kib: int = 0) -> int:
        """Not known before 5.19, nor when an attempt that had the group before used more."""
        peak = _number(f"{self.memory}/memory.peak")
        if peak <= self._peak_before or _at_limit(peak, limit_kib):
            return 0
        if peak > _SMALL_PEAK_BYTES:
            stat = _numbers(f"{self.memory}/memory.stat")
            peak -= max(0, stat.get("file", 0) - stat.get("shmem", 0))
        return max(0, peak) // 1024

    def ran_out_of_memory(self) -> bool:
        return _numbers(f"{self.memory}/memory.events").get("oom_kill", 0) > 0

    def is_clean(self) -> bool:
        used = _number(f"{self.memory}/memory.current")
        return used <= _LEFT_MOST_BYTES and not self.ran_out_of_memory()

    def remove(self) -> bool:
        return _remove(self.memory)

    def _set(self, limits: Limits) -> None:
        quota = str(quota_us(limits.cpu_milli)) if limits.cpu_hard else "max"
        _write(f"{self.memory}/cpu.weight", str(weight_of(limits.cpu_milli)))
        _write(f"{self.memory}/cpu.max", f"{quota} {PERIOD_US}")
        _write(f"{self.memory}/memory.max", str(limits.memory_mib * 2**20) if limits.memory_mib else "max")
        with suppress(OSError):
            _write(f"{self.memory}/memory.swap.max", "0" if limits.memory_mib else "max")
        with suppress(OSError):
            _write(f"{self.memory}/memory.oom.group", "1")

    def _begin_peak(self) -> None:
        self._peak_before = _number(f"{self.memory}/memory.peak")


class CgroupV1(Cgroup):
    """One folder in each hierarchy; the two may be the same."""

    __slots__ = ("cpu",)

    def __init__(self, cpu: Path, memory: Path, name: str) -> None:
        """Raises OSError."""
        super().__init__(f"{memory}/{name}")
        self.cpu = f"{cpu}/{name}"
        _make(self.memory)
        _make(self.cpu)

    def add(self, pid: int) -> None:
        _write(f"{self.memory}/cgroup.procs", str(pid))
        _write(f"{self.cpu}/cgroup.procs", str(pid))

    def memory_kib(self) -> int:
        stat = _numbers(f"{self.memory}/memory.stat")
        return (stat.get("rss", 0) + stat.get("shmem", 0)) // 1024

    def memory_peak_kib(self, limit_kib: int = 0) -> int:
        peak = _number(f"{self.memory}/memory.max_usage_in_bytes")
        if _at_limit(peak, limit_kib):
            return 0
        if peak > _SMALL_PEAK_BYTES:
            stat = _numbers(f"{self.memory}/memory.stat")
            peak -= max(0, stat.get("cache", 0) - stat.get("shmem", 0))
        return max(0, peak) // 1024

    def ran_out_of_memory(self) -> bool:
        return _numbers(f"{self.memory}/memory.oom_control").get("oom_kill", 0) > 0

    def is_clean(self) -> bool:
        used = _number(f"{self.memory}/memory.usage_in_bytes")
        return used <= _LEFT_MOST_BYTES and not self.ran_out_of_memory()

    def remove(self) -> bool:
        return all([_remove(self.cpu), _remove(self.memory)])

    def _set(self, limits: Limits) -> None:
        most = str(limits.memory_mib * 2**20) if limits.memory_mib else "-1"
        _write(f"{self.cpu}/cpu.shares", str(shares_of(limits.cpu_milli)))
        _write(f"{self.cpu}/cpu.cfs_period_us", str(PERIOD_US))
        _write(f"{self.cpu}/cpu.cfs_quota_us", str(quota_us(limits.cpu_milli)) if limits.cpu_hard else "-1")
        # With swap it may never be below the limit without, so it goes out of the way first. Only where swap is accounted for.
        swap = f"{self.memory}/memory.memsw.limit_in_bytes"
        with suppress(OSError):
            _write(swap, "-1")
        _write(f"{self.memory}/memory.limit_in_bytes", most)
        with suppress(OSError):
            _write(swap, most)

    def _begin_peak(self) -> None:
        _write(f"{self.memory}/memory.max_usage_in_bytes", "0")


def shares_of(cpu_milli: int) -> int:
    return max(2, cpu_milli * _SHARES_PER_CORE // 1000)


def weight_of(cpu_milli: int) -> int:
    """The same on the scale of v2, as Kubernetes translates it."""
    return min(10_000, 1 + (shares_of(cpu_milli) - 2) * 9999 // 262_142)


def quota_us(cpu_milli: int) -> int:
    """In each period; the kernel takes no less than 1 ms."""
    return max(1000, cpu_milli * PERIOD_US // 1000)


def _make(folder: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(folder)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _READ_BYTES)
    finally:
        os.close(descriptor)


def _number(path: str) -> int:
    with suppress(OSError, ValueError):
        return int(_read(path))
    return 0


def _numbers(path: str) -> dict[str, int]:
    """Lines of `name number`; what is none is left out."""
    found: dict[str, int] = {}
    with suppress(OSError):
        for line in _read(path).decode().splitlines():
            name, _, value = line.partition(" ")
            if value.isdecimal():
                found[name] = int(value)
    return found


def _remove(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _at_limit(peak_bytes: int, limit_kib: int) -> bool:
    return bool(limit_kib) and peak_bytes >= limit_kib * 1024 * _AT_LIMIT
