"""What a container uses, read from the cgroups of its first process (version 1 or 2), and whether the kernel killed in it for memory.

Asked by the attempt every second and at its end. Unknown is None: an engine on another machine, or cgroups that cannot be read. Runc on
version 1 does not report an out-of-memory kill, so the kernel's own counter is read here.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
KERNEL_LOG = "/dev/kmsg"
_RECORD_BYTES = 8192
_RECORDS_MAX = 100_000
"""More than a kernel keeps."""


@dataclass(slots=True)
class Measured:
    """The most that was seen so far."""

    cpu_ms: int = 0
    memory_peak_kib: int | None = None
    killed_for_memory: bool = False
    _memory: Path | None = None
    _cpu: Path | None = None
    _version: int = field(default=0)

    def find(self, pid: int, container: str, root: Path = ROOT) -> None:
        """Where the cgroups of the container's first process are; nothing when it is gone, or the engine is on another machine."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        for line in lines:
            _, controllers, path = line.split(":", 2)
            if container not in path:
                continue
            names = controllers.split(",")
            if "memory" in names:
                self._memory, self._version = root / "memory" / path.lstrip("/"), 1
            if "cpuacct" in names:
                self._cpu = root / "cpuacct" / path.lstrip("/")
            if controllers == "" and self._version == 0 and path != "/":
                self._memory = self._cpu = root / path.lstrip("/")
        if self._version == 0 and self._memory is not None:
            self._version = 2

    def look(self) -> None:
        if self._version == 1 and self._memory is not None:
            self._peak(self._memory / "memory.max_usage_in_bytes")
            self._kills(self._memory / "memory.oom_control")
            cpu = _number(self._cpu / "cpuacct.usage") if self._cpu is not None else None
            self.cpu_ms = max(self.cpu_ms, (cpu or 0) // 1_000_000)
        elif self._version == 2 and self._memory is not None:
            self._peak(self._memory / "memory.peak")
            self._kills(self._memory / "memory.events")
            self.cpu_ms = max(self.cpu_ms, _named(self._memory / "cpu.stat", "usage_usec") // 1000)

    def _peak(self, path: Path) -> None:
        found = _number(path)
        if found is not None:
            self.memory_peak_kib = max(self.memory_peak_kib or 0, found // 1024)

    def _kills(self, path: Path) -> None:
        self.killed_for_memory = self.killed_for_memory or _named(path, "oom_kill") > 0


def killed_by_the_kernel(container: str, log: str = KERNEL_LOG) -> bool:
    """Whether the kernel's log says that it killed in the container for memory: the cgroup is often gone before it can be read. Only root
    can read the log; False when it is unknown."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    wanted, found = container.encode(), False
    try:
        for _ in range(_RECORDS_MAX):
            try:
                record = os.read(descriptor, _RECORD_BYTES)
            except BrokenPipeError:  # older records were dropped while it was read
                continue
            if not record:
                break
            found = found or (b"oom" in record and b"oom_memcg=" in record and wanted in record)
    except OSError:  # no more records
        pass
    finally:
        os.close(descriptor)
    return found


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _named(path: Path, name: str) -> int:
    """0 when it is not there."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)
