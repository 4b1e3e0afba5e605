"""What every peer is: how it is installed and started, what it can run, and what of its work survives. Implemented by one file each."""

import json
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from bench.peers.environment import Environment, Missing

PROGRAMS = Path(__file__).parent / "programs"
STOP_LIMIT_S = 15.0
#: For all jobs of one run.
ANSWER_LIMIT_S = 600.0


class Work(StrEnum):
    """`noop` runs in the worker; `process` is `true` as a real process; `start` is one no-op job at a time, submit to start."""

    NOOP = "noop"
    PROCESS = "process"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    wall_s: float
    waits_ms: tuple[float, ...] = ()
    """Of `start` only: from submission to start, each job."""


class Running(Protocol):
    def run(self, work: Work, jobs: int) -> Took:
        """Submit so many jobs and return when all have succeeded. Raises PeerFailed."""


class Peer(Protocol):
    """`store` says which Herder it is compared with. `durable` says what of an ended job survives a power failure."""

    @property
    def name(self) -> str: ...
    @property
    def store(self) -> str: ...
    @property
    def durable(self) -> str: ...

    def install(self, environment: Environment) -> str:
        """Returns the version. Raises Missing."""

    def running(
        self, environment: Environment, folder: Path, store_url: str | None
    ) -> AbstractContextManager[Running]:
        """In an empty folder, or an empty database. Stops everything afterwards. Raises Missing."""


class PeerFailed(Exception):
    """A peer was started and did not do its work; the message has the end of its log."""


@dataclass(slots=True, kw_only=True)
class Processes:
    """The processes of one peer, which all write to one log."""

    folder: Path
    environment: Mapping[str, str]
    _all: "list[subprocess.Popen[str]]" = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "peer.log"

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-2000:].strip() if self.log.exists() else ""

    def start(self, command: Sequence[str], *, asked: bool = False) -> "subprocess.Popen[str]":
        """`asked`: with pipes for orders and answers."""
        pipe = subprocess.PIPE if asked else None
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                text=True,
            )
        self._all.append(process)
        return process

    def stop(self) -> None:
        """The newest first, so that no client or worker loses its server."""
        for process in reversed(self._all):
            process.terminate()
            try:
                process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@contextmanager
def processes(folder: Path, environment: Mapping[str, str]) -> Iterator[Processes]:
    ours = Processes(folder=folder, environment=environment)
    try:
        yield ours
    finally:
        ours.stop()


@dataclass(slots=True, kw_only=True)
class Program:
    """A submitter in the environment of the peers: `programs/client.py`."""

    processes: Processes
    process: "subprocess.Popen[str]"

    def run(self, work: Work, jobs: int) -> Took:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"work": work.value, "jobs": jobs}) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        return Took(wall_s=answer["wall_s"], waits_ms=tuple(answer["waits_ms"]))

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWER_LIMIT_S)
        if not ready:
            raise PeerFailed(f"no answer within {ANSWER_LIMIT_S:.0f} s: {self.processes.said()}")
        line = self.process.stdout.readline()
        if not line:
            raise PeerFailed(f"the submitter has ended: {self.processes.said()}")
        return dict(json.loads(line))


def submitter(ours: Processes, environment: Environment, module: str) -> Program:
    """Returns when it is ready. Raises Missing."""
    made = Program(
        processes=ours,
        process=ours.start([str(environment.python), str(PROGRAMS / "client.py"), module], asked=True),
    )
    try:
        made.answer()
    except PeerFailed as error:
        raise Missing(str(error)) from error
    return made
