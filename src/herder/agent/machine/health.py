"""Whether attempts can be started on this machine: a cheap test, and a sentence for each problem; and what presses on it.

Asked by `exchange`, which tells the server; told by `attempts` how starts went. It starts nothing, and it never raises.
"""

import errno
import logging
import os
from contextlib import suppress

from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.pressure import Pressures
from herder.agent.processes.scratch import make_work_folder
from herder.model.fleet.repair import Condition

_LOG = logging.getLogger(__name__)
#: What starting an attempt needs at a time: its output, its pidfd, its standard input, the two ends of a pipe, one to spare.
_DESCRIPTORS = 6
#: With less than this, what attempts write fails now and then: each that ends gives a little back.
_TRIED_BYTES = 256 * 1024
#: A look is as good as new for so long: thousands of attempts may fail by themselves in a second.
_FRESH_S = 0.25


class Health:
    __slots__ = (
        "_conditions",
        "_doubted",
        "_looked_at_s",
        "_next_at_s",
        "_pressures",
        "_settings",
        "_troubles",
    )

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._doubted = False
        self._next_at_s = float("-inf")
        self._troubles: list[str] = []
        self._conditions: dict[Condition, str] = {}
        self._pressures = Pressures(settings)
        self._looked_at_s = float("-inf")

    def start_failed(self) -> None:
        """A start failed by the machine's fault: look at once."""
        self._doubted = True

    def troubles_at_end(self, now_s: float) -> list[str]:
        """What an attempt that failed by itself may have met: as it is now."""
        self._doubted = self._doubted or now_s >= self._looked_at_s + _FRESH_S
        return self.troubles(now_s)

    def troubles(self, now_s: float) -> list[str]:
        """What keeps attempts from being started; empty when nothing does."""
        if self._doubted or self._troubles or now_s >= self._next_at_s:
            self._doubted, self._looked_at_s = False, now_s
            self._next_at_s = now_s + self._settings.health_check_s
            found = self._look()
            if found != self._troubles:
                _LOG.warning("%s", " ".join(found) if found else "The worker can start attempts again.")
            self._troubles = found
        return self._troubles

    def conditions(self) -> list[tuple[str, str]]:
        """What presses on this machine, with a sentence each; as of the last look for troubles."""
        return [(condition.value, said) for condition, said in self._conditions.items()]

    def _look(self) -> list[str]:
        found, self._conditions = [], self._pressures.look()
        try:
            self._try_scratch()
        except OSError as error:
            found.append(f"The work folder {self._settings.folder} cannot be written: {error.strerror}.")
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._conditions[Condition.DISK_PRESSURE] = found[-1]
        try:
            self._try_descriptors()
        except OSError as error:
            found.append(f"No more files can be opened: {error.strerror}.")
        return found

    def _try_scratch(self) -> None:
        folder = self._settings.folder
        make_work_folder(self._settings)
        tried = folder / ".check"
        with suppress(FileExistsError):  # left by an earlier look that failed half-way
            tried.mkdir(mode=0o700)
        path = tried / "file"
        try:
            with path.open("wb", buffering=0) as file:
                os.posix_fallocate(file.fileno(), 0, _TRIED_BYTES)
        finally:
            with suppress(OSError):
                path.unlink()
            with suppress(OSError):
                tried.rmdir()

    def _try_descriptors(self) -> None:
        opened: list[int] = []
        try:
            while len(opened) < _DESCRIPTORS:
                opened.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        finally:
            for descriptor in opened:
                os.close(descriptor)
