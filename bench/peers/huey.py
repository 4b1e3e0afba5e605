"""Huey on SQLite: two worker processes, results in the same file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.environment import Environment
from bench.peers.peer import PROGRAMS, Program, processes, submitter

WORKERS = 2


class Huey:
    name = "Huey"
    store = "sqlite"
    durable = "job and result, in SQLite with synchronous=FULL (fsync=True)"

    def install(self, environment: Environment) -> str:
        environment.packages("huey")
        return environment.version("huey")

    @contextmanager
    def running(self, environment: Environment, folder: Path, store_url: str | None) -> Iterator[Program]:
        more = {"PEER_STORE": str(folder / "huey.db"), "PYTHONPATH": str(PROGRAMS)}
        with processes(folder, {**os.environ, **more}) as ours:
            consumer = [environment.program("huey_consumer"), "huey_tasks.huey", "-k", "process"]
            # The shortest pause between two looks that it is asked for here: Huey polls SQLite.
            ours.start(
                [str(environment.python), *consumer, "-w", str(WORKERS), "-n", "-d", "0.01", "-m", "0.01"]
            )
            yield submitter(ours, environment, "huey_tasks")
