"""A PostgreSQL that a test stops and starts, or lets stand still; the data stays."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
from sqlalchemy import text

from herder.store.opening.database import open_engine
from tests.support import postgres


class Restartable:
    """A PostgreSQL that a test stops and starts."""

    def __init__(self, server: postgres.Server) -> None:
        self.url = server.url(server.create_database())
        engine = open_engine(self.url)
        with engine.connect() as connection:
            folder = Path(str(connection.execute(text("SHOW data_directory")).scalar()))
        engine.dispose()
        self._pid = int((folder / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(self._pid)
        self._words, self._user, self._group = process.cmdline(), process.uids().real, process.gids().real
        self._again: subprocess.Popen[bytes] | None = None
        self._still: list[psutil.Process] = []

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        os.kill(self._pid, number)
        if self._again is not None:
            self._again.wait(30)
        else:
            psutil.wait_procs([psutil.Process(self._pid)] if psutil.pid_exists(self._pid) else [], timeout=30)

    def start(self) -> None:
        self._again = subprocess.Popen(
            self._words,
            user=self._user,
            group=self._group,
            cwd="/tmp",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._pid = self._again.pid

    def stand_still(self) -> None:
        """All of its processes: connections stay open, and nothing is said on them. New ones are not greeted."""
        server = psutil.Process(self._pid)
        self._still = [server, *server.children(recursive=True)]
        for process in self._still:
            process.suspend()

    def go_on(self) -> None:
        for process in self._still:
            with suppress(psutil.NoSuchProcess):
                process.resume()
