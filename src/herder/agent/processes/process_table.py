"""Reads /proc: which processes exist, to which attempt each belongs, and how much memory they use. Used by `watch`.

A process belongs to the attempt in whose session it is, else to that of its nearest ancestor; an orphan (re-parented to
the agent, which is a subreaper) to the one that its environment names. Linux only; it changes nothing.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from herder.wire.worker import startup

#: The mark of a warm interpreter and of what its imports start: its name.
TEMPLATE = "HERDER_TEMPLATE"
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Process(NamedTuple):
    pid: int
    parent: int
    session: int
    zombie: bool
    resident_kib: int
    cpu_ticks: int = 0
    """Used by it and by the children that it has waited for."""


def processes() -> dict[int, Process]:
    """Every process there is. One that ends meanwhile is left out."""
    found: dict[int, Process] = {}
    for name in os.listdir("/proc"):
        if name[0] in "123456789":
            process = _read(name)
            if process is not None:
                found[process.pid] = process
    return found


def _read(pid: str) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            line = file.read(1024)
    except OSError:
        return None
    # The name in parentheses may hold anything, also parentheses and spaces.
    fields = line[line.rfind(b")") + 2 :].split()
    if len(fields) < 22:
        return None
    return Process(
        int(pid),
        int(fields[1]),
        int(fields[3]),
        fields[0] in (b"Z", b"X"),
        int(fields[21]) * _PAGE_KIB,
        sum(map(int, fields[11:15])),
    )


def owners(
    found: Mapping[int, Process], leaders: Mapping[int, object], adopted: Mapping[int, int]
) -> dict[int, int]:
    """For each process of an attempt the pid of its leader.

    `leaders`: the pids that the agent started. `adopted`: leader by pid, for orphans whose owner is known otherwise.
    """
    owner: dict[int, int] = {pid: leader for pid, leader in adopted.items() if pid in found}
    for pid, process in found.items():
        if process.session in leaders:
            owner[pid] = process.session
    for pid in found:
        chain: list[int] = []
        at = pid
        while at in found and at not in owner and len(chain) < 1000:
            chain.append(at)
            at = found[at].parent
        if at in owner:
            owner.update(dict.fromkeys(chain, owner[at]))
    return owner


def tree_use(root: int) -> tuple[float, int]:
    """CPU seconds that this process and all that descend from it have used so far, and KiB they hold now. Ended ones count
    where their parent waited for them, so the sum does not fall when an attempt ends."""
    found = processes()
    tree = owners(found, {}, {root: root})
    ticks = sum(found[pid].cpu_ticks for pid in tree)
    return ticks / os.sysconf("SC_CLK_TCK"), sum(found[pid].resident_kib for pid in tree)


def proportional_kib(pids: list[int]) -> int | None:
    """Memory with shared pages divided among those who share them (PSS): exact, but too dear for every look."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                lines = file.read().splitlines()
        except ProcessLookupError:
            continue
        except OSError:
            return None
        total += sum(int(line.split()[1]) for line in lines if line.startswith(b"Pss:"))
    return total


def marks_of(pid: int) -> dict[str, str]:
    """Whose process this is, from the environment it was started with; empty when it cannot be read."""
    marks: dict[str, str] = {}
    with suppress(OSError):
        with open(f"/proc/{pid}/environ", "rb") as file:
            content = file.read()
        for item in content.split(b"\0"):
            name, _, value = item.partition(b"=")
            if name.startswith(b"HERDER_"):
                marks[name.decode("ascii", "replace")] = value.decode("utf-8", "replace")
    return marks


def belongs_to(marks: Mapping[str, str], worker: str, installation: str) -> bool:
    return marks.get(startup.WORKER) == worker and marks.get(startup.INSTALLATION) == installation
