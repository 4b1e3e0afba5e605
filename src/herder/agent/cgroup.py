"""A cgroup v2 per attempt, where the agent was given a folder to make them in. Best effort, used by the process runtime.

What each means gives: `memory.max` is exact and needs no sampling (the kernel ends the attempt, shared memory and page
cache included); `cpu.max` gives exact shares of a core where binding gives whole cores; `cgroup.kill` ends every process
at once, also those that hide. Without a cgroup the same limits hold by sampling, binding and sessions, only more coarsely.
The folder must hold no processes itself and have cpu and memory in `cgroup.subtree_control` (systemd: Delegate=yes).
"""

from contextlib import suppress
from pathlib import Path

_PERIOD_US = 100_000


class Cgroup:
    __slots__ = ("_folder",)

    def __init__(self, parent: Path, name: str, cpu_milli: int, memory_mib: int) -> None:
        """Raises OSError when the folder cannot be used; then the attempt runs without one."""
        self._folder = parent / name
        self._folder.mkdir(exist_ok=True)
        if memory_mib:
            self._write("memory.max", str(memory_mib * 2**20))
            with suppress(OSError):
                self._write("memory.swap.max", "0")
                self._write("memory.oom.group", "1")
        if cpu_milli:
            self._write("cpu.max", f"{max(1000, cpu_milli * _PERIOD_US // 1000)} {_PERIOD_US}")

    def add(self, pid: int) -> None:
        self._write("cgroup.procs", str(pid))

    def kill(self) -> None:
        with suppress(OSError):
            self._write("cgroup.kill", "1")

    def memory_peak_mib(self) -> int:
        """0 when this kernel does not tell (before 5.19)."""
        with suppress(OSError, ValueError):
            return -(-int((self._folder / "memory.peak").read_text()) // 2**20)
        return 0

    def ran_out_of_memory(self) -> bool:
        with suppress(OSError):
            for line in (self._folder / "memory.events").read_text().splitlines():
                if line.startswith("oom_kill "):
                    return line.split()[1] != "0"
        return False

    def remove(self) -> None:
        with suppress(OSError):
            self._folder.rmdir()

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)
