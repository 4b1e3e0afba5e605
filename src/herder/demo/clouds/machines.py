"""The machines of the played clouds: each is an agent of this computer, a process with the variables that the start script of the machine sets.

A machine's folder is below the demo's data folder, by which everything that it has started is found when it ends. Nothing else of the script is run here: it
would set up this computer. The address at which a cloud would announce the end of a machine becomes a file, since that address may be one of a real cloud.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from herder.cli.shell.exit_codes import CommandError
from herder.demo.clouds.providers import NOTICE_S, PlayedCloud
from herder.demo.demo_server import kill_left
from herder.testing.fakes.user_data import variables_in
from herder.wire.worker import startup

LOOK_S = 0.1
STOP_MAX_S = 10.0
_NOTICE = "notice"
_OF_COMPUTER = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV|PYTHON\w*"
)


class Machines:
    """In a thread of its own, from entering to leaving. `folder`: where the machines have theirs."""

    def __init__(self, clouds: Sequence[PlayedCloud], folder: Path) -> None:
        self._clouds, self._folder = clouds, folder
        self._agents: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
        self._started: set[tuple[str, str]] = set()
        self._failed: OSError | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="machines")

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(mode=0o700)
        except OSError as error:
            raise CommandError(
                f"Cannot create {self._folder}: {error.strerror}.", hint="Give a new or empty --data-dir."
            ) from None
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """All agents are killed: their clouds end here."""
        self._ending.set()
        self._thread.join(STOP_MAX_S)
        for key in list(self._agents):
            self._end(key)

    def announce_end(self, cloud: PlayedCloud, machine: str) -> None:
        """The machine is told that it is taken back in NOTICE_S."""
        place = self._place((cloud.driver, machine))
        if place.is_dir():
            (place / _NOTICE).touch()

    def check(self) -> None:
        """Raises CommandError when machines cannot be started any more."""
        if self._failed is not None:
            raise CommandError(f"The machines of the clouds cannot be run: {self._failed}.") from self._failed

    def _run(self) -> None:
        try:
            while not self._ending.wait(LOOK_S):
                for cloud in self._clouds:
                    self._look(cloud)
        except OSError as error:
            self._failed = error

    def _look(self, cloud: PlayedCloud) -> None:
        wanted = cloud.running()
        for driver, machine in list(self._agents):
            if driver == cloud.driver and machine not in wanted:
                self._end((driver, machine))
        for machine, script in wanted.items():
            key = (cloud.driver, machine)
            if key not in self._started:
                self._started.add(key)
                self._agents[key] = self._start(key, script)
            elif key in self._agents and self._agents[key].poll() is not None:
                self._end(key)
                cloud.off(machine)

    def _start(self, key: tuple[str, str], script: str) -> "subprocess.Popen[bytes]":
        place = self._place(key)
        place.mkdir(parents=True, mode=0o700)
        with (place / "console.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "herder.agent"],
                env=_environment(script, place),
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, key: tuple[str, str]) -> None:
        """As when a machine loses its power."""
        process = self._agents.pop(key)
        process.kill()
        process.wait()
        kill_left(self._place(key))

    def _place(self, key: tuple[str, str]) -> Path:
        driver, machine = key
        return self._folder / driver / machine


def _environment(script: str, place: Path) -> dict[str, str]:
    """What the script sets, and what this computer needs to run a program: a machine has no credentials and no proxy of a person."""
    found = {name: value for name, value in os.environ.items() if _OF_COMPUTER.fullmatch(name)}
    found |= variables_in(script)
    found.pop(startup.NOTICE_URL, None)
    return found | {
        startup.WORK_FOLDER: str(place / "work"),
        startup.NOTICE_FILE: str(place / _NOTICE),
        startup.NOTICE_S: f"{NOTICE_S:g}",
        startup.CGROUPS: "off",
    }
