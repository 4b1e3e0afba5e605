"""Finds and kills the processes of a worker on this machine, by the marks in their environment. Used by the local driver.

A process is named by (pid, start time), never by pid alone. Found by mark are the agent and its attempts; what has thrown its
marks away is found by session and by descent from those. It never touches a process that it cannot connect to a worker.
"""

import os
import signal
import time
from contextlib import suppress
from typing import NamedTuple

import psutil

from herder.model.driver import Unavailable
from herder.wire import startup

_LOOK_AGAIN_S = 0.02
_STARTING_LOOKS = 50
_STARTING_LOOK_S = 0.002


class Found(NamedTuple):
    """A live process. `worker` is empty when it carries no marks of this installation."""

    pid: int
    started: float
    parent: int
    session: int
    worker: str
    is_agent: bool


def processes(installation: str) -> list[Found]:
    """All live processes, with marks where they are ours. Raises Unavailable when they cannot be listed."""
    found = []
    try:
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess):
                entry = _look(process, installation)
                if entry is not None:
                    found.append(entry)
    except (OSError, psutil.Error) as error:
        raise Unavailable(f"cannot list the processes of this machine: {error}") from error
    return found


def _look(process: psutil.Process, installation: str) -> Found | None:
    with process.oneshot():
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        marks = _marks(process)
        ours = marks.get(startup.INSTALLATION) == installation
        return Found(
            pid=process.pid,
            started=process.create_time(),
            parent=process.ppid(),
            session=_session(process.pid),
            worker=marks.get(startup.WORKER, "") if ours else "",
            is_agent=startup.JOB_ID not in marks,
        )


def _marks(process: psutil.Process) -> dict[str, str]:
    """Other people's processes do not let us look: then they are not ours.

    For an instant within its start a process shows neither environment nor arguments; taken for a stranger's then, a worker would
    be started twice. Kernel threads (children of 0 or 2) never show any.
    """
    for _ in range(_STARTING_LOOKS):
        try:
            environment = process.environ()
            if environment or process.ppid() in (0, 2) or process.cmdline():
                return environment
        except (psutil.AccessDenied, psutil.ZombieProcess, OSError):
            return {}
        time.sleep(_STARTING_LOOK_S)
    return {}


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def agents(installation: str) -> dict[str, Found]:
    """The live agent of each worker: the oldest that looks like one, since a child shows its parent's marks until its exec."""
    found = sorted(processes(installation), key=lambda each: each.started, reverse=True)
    return {each.worker: each for each in found if each.worker and each.is_agent}


def start_time(pid: int) -> float | None:
    """None when there is no such process any more."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


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
    for look in range(max(1, int(wait_s / _LOOK_AGAIN_S))):
        found = processes(installation)
        live = {(each.pid, each.started) for each in found}
        known |= {(each.pid, each.started): each for each in family(found, worker)}
        left = [each for identity, each in known.items() if identity in live]
        if not left:
            return look > 0
        for each in left:
            _kill(each)
        time.sleep(_LOOK_AGAIN_S)
    raise Unavailable(f"worker {worker}: {len(left)} of its processes do not end; their pids: {_pids(left)}")


def _pids(found: list[Found]) -> str:
    return ", ".join(str(each.pid) for each in found[:10])


def _kill(found: Found) -> None:
    if found.pid == os.getpid():
        return
    with suppress(psutil.Error, ProcessLookupError, PermissionError):
        process = psutil.Process(found.pid)
        # psutil compares the start time again, so a number that was given to another process is not hit.
        if process.create_time() == found.started:
            process.send_signal(signal.SIGKILL)
