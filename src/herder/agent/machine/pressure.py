"""What presses on this machine: little disk, memory or process ids left. A few reads of /proc and one statvfs.

Asked by `health` once in `health_check_s`. What cannot be read is not known, and no pressure. A pressure ends only when clearly more than
its threshold is free again, so that it does not begin and end in turns. It starts nothing, and it never raises.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from herder.agent.environment.settings import AgentSettings
from herder.model.fleet.repair import Condition

#: So many times the threshold must be free until a pressure is over.
EASED = 1.25
_MIB = 2**20

Free = tuple[int, int, str]
"""(free, of how many, in what unit)."""


class Pressures:
    __slots__ = ("_proc", "_settings", "_told")

    def __init__(self, settings: AgentSettings, proc: Path = Path("/proc")) -> None:
        self._settings, self._proc = settings, proc
        self._told: dict[Condition, str] = {}

    def look(self) -> dict[Condition, str]:
        """A sentence for each; it stays the same as long as the pressure lasts."""
        settings = self._settings
        self._judge(
            Condition.DISK_PRESSURE,
            self._disk,
            settings.disk_free_least_mib,
            "The file system of the work folder has",
        )
        self._judge(
            Condition.MEMORY_PRESSURE, self._memory, settings.memory_free_least_mib, "The machine has"
        )
        self._judge(Condition.PID_PRESSURE, self._pids, None, "The machine has")
        return dict(self._told)

    def _judge(self, condition: Condition, read: Callable[[], Free], least: int | None, said: str) -> None:
        free = None
        with suppress(OSError, ValueError, LookupError):
            free = read()
        if free is None or free[1] <= 0:
            self._told.pop(condition, None)
            return
        left, total, unit = free
        part = total * self._settings.free_least_part
        threshold = part if least is None else min(part, float(least))
        if left >= threshold * (EASED if condition in self._told else 1):
            self._told.pop(condition, None)
        elif condition not in self._told:
            self._told[condition] = f"{said} {left:,} of {total:,} {unit} free."

    def _disk(self) -> Free:
        found = os.statvfs(self._settings.folder)
        return found.f_bavail * found.f_frsize // _MIB, found.f_blocks * found.f_frsize // _MIB, "MiB of disk"

    def _memory(self) -> Free:
        lines = (line.split() for line in (self._proc / "meminfo").read_text().splitlines())
        kib = {line[0]: int(line[1]) for line in lines if len(line) > 1}
        return kib["MemAvailable:"] // 1024, kib["MemTotal:"] // 1024, "MiB of memory"

    def _pids(self) -> Free:
        used = int((self._proc / "loadavg").read_text().split()[3].partition("/")[2])
        limits = [int((self._proc / "sys/kernel" / name).read_text()) for name in ("pid_max", "threads-max")]
        return max(0, min(limits) - used), min(limits), "process ids"
