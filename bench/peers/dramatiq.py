"""Dramatiq on Redis: two worker processes of one thread, results in the same Redis, which syncs every write."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.environment import Environment, Missing, system_program
from bench.peers.peer import PROGRAMS, Program, processes, submitter
from herder.control.kernel import clock

WORKERS = 2
START_LIMIT_S = 15.0


class Dramatiq:
    name = "Dramatiq"
    store = "sqlite"
    durable = "job and result, in Redis with appendfsync=always"

    def install(self, environment: Environment) -> str:
        system_program("redis-server", "redis-server")
        environment.packages("dramatiq[redis]")
        return environment.version("dramatiq")

    @contextmanager
    def running(self, environment: Environment, folder: Path, store_url: str | None) -> Iterator[Program]:
        port = _free_port()
        more = {"PEER_STORE": f"redis://127.0.0.1:{port}/0", "PYTHONPATH": str(PROGRAMS)}
        with processes(folder, {**os.environ, **more}) as ours:
            redis = [
                system_program("redis-server", "redis-server"),
                "--bind",
                "127.0.0.1",
                "--port",
                str(port),
            ]
            ours.start(
                [*redis, "--dir", str(folder), "--save", "", "--appendonly", "yes", "--appendfsync", "always"]
            )
            _wait_for(port)
            workers = [environment.program("dramatiq"), "dramatiq_tasks", "-p", str(WORKERS), "-t", "1"]
            ours.start([str(environment.python), *workers])
            yield submitter(ours, environment, "dramatiq_tasks")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    last = clock.monotonic_s() + START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as error:
            if clock.monotonic_s() > last:
                raise Missing(f"Redis does not listen after {START_LIMIT_S:.0f} s: {error}") from error
            time.sleep(0.05)
