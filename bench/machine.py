"""What the figures were measured on: machine, versions, date, and whether something else was running. Read by the reports."""

import os
import platform
import sqlite3
import statistics
from dataclasses import dataclass
from pathlib import Path

import psutil

import herder
from herder.control.kernel import clock
from herder.model.values.times import iso

#: CPU that others used while the bench did nothing: above this, rates are not to be quoted.
BUSY_PERCENT = 10
#: File systems in memory: a sync costs nothing there, and figures of a durable store would flatter.
IN_MEMORY = ("tmpfs", "ramfs")
_SYNCS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    date: str
    herder: str
    python: str
    sqlite: str
    system: str
    processor: str
    cores: int
    memory_gib: float
    file_system: str
    sync_ms: float
    """Median time of a small write and fdatasync in the folder of the measurements."""
    load: tuple[float, float, float]
    others_percent: float
    """CPU that others used in a second before the first measurement, of all cores."""

    def warnings(self) -> list[str]:
        found = []
        if self.others_percent > BUSY_PERCENT:
            found.append(
                f"others use {self.others_percent:.0f} % of this machine (load {self.load[0]:.1f}): rates and latencies "
                "are worse than they would be; look at CPU times and ratios"
            )
        if self.file_system in IN_MEMORY:
            found.append(
                f"the data is on {self.file_system}, in memory: syncs cost nothing; choose another --folder"
            )
        return found


def look(folder: Path) -> Machine:
    """Takes about a second."""
    at = iso(clock.now_ms())
    load = os.getloadavg()
    return Machine(
        date=at[:10],
        herder=herder.__version__,
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        system=f"{platform.system()} {platform.release()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        file_system=_file_system(folder),
        sync_ms=round(_sync_ms(folder), 2),
        load=(round(load[0], 1), round(load[1], 1), round(load[2], 1)),
        others_percent=psutil.cpu_percent(interval=1.0),
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """The kind of the innermost mount that holds the folder."""
    inside = [
        part for part in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(part.mountpoint)
    ]
    return max(inside, key=lambda part: len(part.mountpoint)).fstype if inside else "unknown"


def _sync_ms(folder: Path) -> float:
    path = folder / "sync"
    times = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for number in range(_SYNCS):
            began = clock.monotonic_s()
            os.pwrite(file, b"x" * 4096, number * 4096)
            getattr(os, "fdatasync", os.fsync)(file)
            times.append((clock.monotonic_s() - began) * 1000)
    finally:
        os.close(file)
        path.unlink()
    return statistics.median(times)
