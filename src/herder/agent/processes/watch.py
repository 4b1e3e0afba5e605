"""Checks the processes of all running attempts together, a few times a second: memory, disk, output, left-over processes.

Owned by the process runtime. One pass over /proc serves everything; the interval stretches so that looking never takes
more than 2 % of a core. Strays – processes that outlive their attempt – are killed and reaped here: the agent is a
subreaper, so whatever an attempt leaves behind becomes the agent's child, however it detached itself.
"""

import asyncio
import ctypes
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from herder.agent.environment.settings import AgentSettings
from herder.agent.processes import process_table
from herder.wire.worker import startup

_LOG = logging.getLogger(__name__)
_PR_SET_CHILD_SUBREAPER = 36
_MOST_OF_A_CORE = 0.02
_ENDED_LEADERS_KEPT = 4096


class Watched(Protocol):
    """An attempt as the watch sees it."""

    job: int
    attempt: int

    def sampled(self, pids: list[int], resident_kib: int) -> None: ...

    def look_at_disk(self) -> None: ...

    def send_output(self) -> None: ...

    def ask_for_checkpoint(self) -> None: ...

    def failed(self, error: Exception) -> None:
        """One of the above raised: a fault of the agent, which costs this attempt and no other."""


class Watch:
    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._live: dict[int, Watched] = {}
        self._ended: dict[int, None] = {}
        self._owned: dict[int, int] = {}
        self._adopted: dict[int, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._disk_at = self._output_at = 0.0
        self.keeps: Callable[[str, int], bool] = lambda _template, _pid: False
        """Whether the warm interpreter with this name has this process: it is the interpreter or a fork that waits."""
        _become_subreaper()

    def add(self, leader: int, watched: Watched) -> None:
        self._live[leader] = watched
        self._ended.pop(leader, None)
        self._schedule(self._settings.sample_s)

    def remove(self, leader: int) -> None:
        """The leader has ended. What else is left of its attempt is a stray from now on."""
        self._live.pop(leader, None)
        self._ended[leader] = None
        if len(self._ended) > _ENDED_LEADERS_KEPT:
            del self._ended[next(iter(self._ended))]

    def ask_for_checkpoints(self) -> None:
        for watched in list(self._live.values()):
            _guarded(watched, watched.ask_for_checkpoint)

    def signal(self, leader: int, number: int) -> None:
        """To every process of this attempt, found afresh."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, number)  # first: it needs nothing of the machine
        found = process_table.processes()
        self._adopt_orphans(found)
        for pid, owner in process_table.owners(found, {leader: None}, self._adopted).items():
            if owner == leader and pid != leader:
                _kill(pid, number)

    def sweep(self) -> bool:
        """Kill the strays there are now; whether there were any."""
        return self._sweep(process_table.processes())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    # --- inside

    def _schedule(self, delay_s: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(delay_s, self._tick)

    def _tick(self) -> None:
        """The next one comes whatever happens in this: a machine out of descriptors does not even let us look at /proc."""
        self._timer = None
        began = self._loop.time()
        go_on = True
        try:
            go_on = self._look()
        except Exception:  # noqa: BLE001 - without the next look no limit would hold any more
            _LOG.exception("The running attempts could not be examined. The agent tries again.")
        if go_on:
            self._schedule(max(self._settings.sample_s, (self._loop.time() - began) / _MOST_OF_A_CORE))

    def _look(self) -> bool:
        """Whether there is anything left to look at."""
        found = process_table.processes()
        strays = self._sweep(found)
        self._sample(found)
        now = self._loop.time()
        if now >= self._disk_at:
            for watched in list(self._live.values()):
                _guarded(watched, watched.look_at_disk)
            self._disk_at = self._loop.time() + self._settings.disk_sample_s
        if now >= self._output_at:
            for watched in list(self._live.values()):
                _guarded(watched, watched.send_output)
            self._output_at = now + self._settings.log_every_s
        return bool(self._live or strays)

    def _sample(self, found: dict[int, process_table.Process]) -> None:
        self._owned = process_table.owners(found, self._live, self._adopted)
        groups: dict[int, list[int]] = {}
        for pid, leader in self._owned.items():
            groups.setdefault(leader, []).append(pid)
        for leader, watched in list(self._live.items()):
            pids = groups.get(leader, [])
            resident_kib = sum(found[pid].resident_kib for pid in pids)
            _guarded(watched, partial(watched.sampled, pids, resident_kib))

    def _sweep(self, found: dict[int, process_table.Process]) -> bool:
        strays = self._adopt_orphans(found)
        for pid in strays:
            if found[pid].zombie:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            else:
                for descendant in process_table.owners(found, {}, {pid: pid}):
                    _kill(descendant, signal.SIGKILL)
        return bool(strays)

    def _adopt_orphans(self, found: dict[int, process_table.Process]) -> list[int]:
        """Sorts the agent's children that it did not start: of live attempts, or strays (returned, dead ones included)."""
        me, own_session = os.getpid(), os.getsid(0)
        adopted: dict[int, int] = {}
        strays: list[int] = []
        for pid, process in found.items():
            if process.parent != me or pid in self._live:
                continue
            if process.zombie:
                if process.session != own_session:
                    strays.append(pid)
                continue
            if process.session in self._live:
                continue
            leader = self._adopted.get(pid) or self._owner_of_orphan(process)
            if leader in self._live:
                adopted[pid] = leader
            elif leader:
                strays.append(pid)
        self._adopted = adopted
        return strays

    def _owner_of_orphan(self, process: process_table.Process) -> int:
        """The leader of the attempt that this process is from (-1: of one long gone), or 0 when it is not from here."""
        if process.session in self._ended:
            return process.session
        if process.pid in self._owned:
            return self._owned[process.pid]
        marks = process_table.marks_of(process.pid)
        if not process_table.belongs_to(marks, self._settings.worker, self._settings.installation):
            return 0
        template = marks.get(process_table.TEMPLATE)
        if template is not None:
            return 0 if self.keeps(template, process.pid) else -1
        for leader, watched in self._live.items():
            if marks.get(startup.JOB_ID) == str(watched.job) and marks.get(startup.ATTEMPT) == str(
                watched.attempt
            ):
                return leader
        return -1


def _guarded(watched: Watched, look: Callable[[], None]) -> None:
    try:
        look()
    except Exception as error:  # noqa: BLE001 - it ends in the report of this attempt
        _LOG.exception("Job %s, attempt %s could not be supervised.", watched.job, watched.attempt)
        watched.failed(error)


def _kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _become_subreaper() -> None:
    """Best effort: without it, processes that leave their session escape until the driver deletes the worker."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
