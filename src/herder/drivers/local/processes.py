"""Finds and kills the processes of a worker on this machine, by variables in their environment. Used by the local driver.

A process is named by (pid, start time), never by pid alone. Found by mark are the agent and its attempts; what has thrown its
marks away is found by session and by descent from those. It never touches a process that it cannot connect to a worker.
"""

import os
import signal
import time
from contextlib import suppress
from typing import NamedTuple

from herder.model.fleet.driver import Unavailable
from herder.model.values.phrases import clause
from herder.wire.worker import startup

_PROC = "/proc"
_LOOK_AGAIN_S = 0.02
#: Looks in a row that must find nothing: one alone may come in the instant in which a process is born of one that dies.
_LOOKS_EMPTY = 2
_STARTING_LOOKS = 50
_STARTING_LOOK_S = 0.002
_OVER = frozenset("ZXx")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Found(NamedTuple):
    """A live process. `worker` is empty when it carries no marks of this installation."""

    pid: int
    started: float
    """Seconds since the machine was started: no clock that is set can change it."""
    parent: int
    session: int
    worker: str
    is_agent: bool


class _Stat(NamedTuple):
    state: str
    parent: int
    session: int
    started: float


def processes(installation: str) -> list[Found]:
    """All live processes, with marks where they are ours. Raises Unavailable when they cannot be listed."""
    try:
        pids = [int(name) for name in os.listdir(_PROC) if name.isdigit()]
        return [found for pid in pids if (found := _look(pid, installation)) is not None]
    except (OSError, ValueError, IndexError) as error:
        raise Unavailable(f"Cannot list the processes of this machine: {clause(error)}.") from error


def _look(pid: int, installation: str) -> Found | None:
    stat = _stat(pid)
    if stat is None:
        return None
    marks = _marks(pid, stat)
    ours = marks.get(startup.INSTALLATION) == installation
    return Found(
        pid=pid,
        started=stat.started,
        parent=stat.parent,
        session=stat.session,
        worker=marks.get(startup.WORKER, "") if ours else "",
        is_agent=startup.JOB_ID not in marks,
    )


def _stat(pid: int) -> _Stat | None:
    """None when it has ended. Its name stands in brackets and may hold anything."""
    try:
        text = _read(pid, "stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(") ")[2].split()
    if fields[0] in _OVER:
        return None
    return _Stat(fields[0], int(fields[1]), int(fields[3]), int(fields[19]) / _TICKS_PER_S)


def _read(pid: int, name: str) -> str:
    with open(f"{_PROC}/{pid}/{name}", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _marks(pid: int, stat: _Stat) -> dict[str, str]:
    """Other people's processes do not let us look: then they are not ours.

    For an instant within its start a process shows neither environment nor arguments; taken for a stranger's then, a worker would
    be started twice. Kernel threads (children of 0 or 2) never show any.
    """
    for _ in range(_STARTING_LOOKS):
        try:
            environment = _read(pid, "environ")
            if environment or stat.parent in (0, 2) or _read(pid, "cmdline") or _stat(pid) is None:
                pairs = (each.partition("=") for each in environment.split("\0"))
                return {name: value for name, _, value in pairs}
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return {}
        time.sleep(_STARTING_LOOK_S)
    return {}


def agents(installation: str) -> dict[str, Found]:
    """The live agent of each worker: the oldest that looks like one, since a child shows its parent's marks until its exec."""
    found = sorted(processes(installation), key=lambda each: each.started, reverse=True)
    return {each.worker: each for each in found if each.worker and each.is_agent}


def start_time(pid: int) -> float | None:
    """None when there is no such process any more."""
    found = _stat(pid)
    return None if found is None else found.started


def family(found: list[Found], worker: str) -> list[Found]:
    """Everything that runs for this worker: marked, in a session that a marked one leads, or descended from those."""
    pids = {each.pid for each in found if each.worker == worker}
    sessions = {each.session for each in found if each.worker == worker and each.session == each.pid}
    members = [each for each in found if each.pid in pids or each.session in sessions]
    pids |= {each.pid for each in members}
    children: dict[int, list[Found]] = {}
    for each in found:
        children.setdefault(each.parent, []).append(each)
    for member in members:  # grows while it is walked over
        for child in children.get(member.pid, ()):
            if child.pid not in pids:
                pids.add(child.pid)
                members.append(child)
    return members


def kill_family(installation: str, worker: str, wait_s: float) -> bool:
    """Until none is left; whether there was any. Raises Unavailable when some do not die in time."""
    known: dict[tuple[int, float], Found] = {}
    left: list[Found] = []
    empty = 0
    for _ in range(max(_LOOKS_EMPTY, int(wait_s / _LOOK_AGAIN_S))):
        found = processes(installation)
        live = {(each.pid, each.started) for each in found}
        known |= {(each.pid, each.started): each for each in family(found, worker)}
        left = [each for identity, each in known.items() if identity in live]
        empty = 0 if left else empty + 1
        if empty == _LOOKS_EMPTY:
            return bool(known)
        for each in left:
            _kill(each)
        time.sleep(_LOOK_AGAIN_S)
    raise Unavailable(
        f"Worker {worker}: {len(left)} of its processes do not end. Their pids are {_pids(left)}."
    )


def _pids(found: list[Found]) -> str:
    return ", ".join(str(each.pid) for each in found[:10])


def _kill(found: Found) -> None:
    if found.pid == os.getpid():
        return
    with suppress(ProcessLookupError, PermissionError):
        if start_time(found.pid) == found.started:  # or its number was given to another process
            os.kill(found.pid, signal.SIGKILL)
