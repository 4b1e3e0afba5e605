"""What a machine is: its size, its name and the process that speaks for it. Told to the server at activation.

A simulated world answers with facts of its own.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """CPU in thousandths, memory and disk in MiB."""

    pid: int
    hostname: str
    cpu_milli: int
    memory_mib: int
    disk_mib: int


def facts_of_machine(folder: Path) -> MachineFacts:
    """This machine; its disk is that where `folder` is. Raises OSError."""
    page_bytes, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    disk = os.statvfs(folder)
    return MachineFacts(
        pid=os.getpid(),
        hostname=socket.gethostname(),
        cpu_milli=len(os.sched_getaffinity(0)) * 1000 if hasattr(os, "sched_getaffinity") else 1000,
        memory_mib=page_bytes * pages // 2**20,
        disk_mib=disk.f_bavail * disk.f_frsize // 2**20,
    )
