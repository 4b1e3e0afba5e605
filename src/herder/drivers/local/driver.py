"""The local driver: a worker is an agent process on this machine, identified by variables in its environment.

Called by the loops, from any thread. State that must survive is a small record per worker, written before its start and again when
its process is known; the truth is the list of processes, so nothing is lost and nothing stays when the server dies at any line. It
never waits for an agent to do something.
"""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from herder.drivers.local import processes
from herder.drivers.local.settings import LocalSettings
from herder.model.fleet.driver import (
    DriverContext,
    InvalidRequest,
    Listing,
    Machine,
    MachineTags,
    NotFound,
    OutOfCapacity,
    Phase,
    StartData,
    Unavailable,
    tags_of,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause, counted
from herder.remote.folders import remove_folder
from herder.wire.worker import startup

_RECORD = "worker.json"
_LOG = "agent.log"


class LocalDriver:
    #: It looks at the processes itself: when it says that many have ended at once, they have.
    first_hand = True

    def __init__(self, settings: LocalSettings, context: DriverContext) -> None:
        self._settings = settings
        self._installation = context.installation
        self._name = context.name or "local"
        self._workers = Path(settings.data_folder or context.data_folder) / "workers"
        self._lock = threading.RLock()
        self._children: dict[WorkerName, subprocess.Popen[bytes]] = {}

    @property
    def name(self) -> str:
        return self._name

    def work_folder(self, worker: str) -> Path:
        """Of one worker: beside its log, or with `run_as` where its jobs can get to it."""
        if not self._settings.run_as:
            return self._workers / worker / "work"
        root = self._settings.work_root or Path(tempfile.gettempdir())
        return root / f"herder-{self._installation}-{worker}"

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        folder = self._folder(spec.name)
        with self._lock:
            machines = {machine.worker: machine for machine in self.list()}
            known = machines.get(spec.name)
            if known is not None and known.handle:
                return known
            running = sum(machine.phase is Phase.RUNNING for machine in machines.values())
            if running >= self._settings.workers_most:
                raise OutOfCapacity(
                    f"Driver {self.name} runs {counted(running, 'worker')}, the maximum (workers_most)."
                )
            return self._start(spec, folder, start)

    def delete(self, worker: WorkerName) -> Machine:
        folder = self._folder(worker)
        known = (folder / _RECORD).exists()
        killed = processes.kill_family(self._installation, worker, self._settings.kill_wait_s)
        self._reap()
        with self._lock:
            if known or killed:
                self._clear(folder)
                if self._settings.run_as:
                    remove_folder(str(self.work_folder(worker)))
                self._forget_old_consoles()
        if not known and not killed:
            raise NotFound(f"Worker {worker} is not on this machine.")
        return Machine(worker=worker, handle="", phase=Phase.GONE)

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        self._folder(worker)
        for machine in self.list():
            if machine.worker == worker:
                return machine
        raise NotFound(f"Worker {worker} is not on this machine.")

    def list(self) -> Listing:
        self._reap()
        records = self._records()
        live = {
            name: agent
            for name, agent in processes.agents(self._installation).items()
            if (_handle_in(records, name) or f"{agent.pid}@").startswith(f"{agent.pid}@")
        }
        machines = [
            Machine(
                worker=WorkerName(name),
                handle=_handle_of(agent, _handle_in(records, name)),
                phase=Phase.RUNNING,
                tags=records[WorkerName(name)].tags if name in records else None,
            )
            for name, agent in live.items()
        ]
        machines += [
            Machine(
                worker=worker,
                handle=record.handle,
                phase=Phase.STOPPED,
                detail="the agent process has ended" if record.handle else "its start was interrupted",
                tags=record.tags,
            )
            for worker, record in records.items()
            if worker not in live
        ]
        self._clear_unrecorded({*records, *map(WorkerName, live)})
        return Listing(machines=tuple(sorted(machines, key=lambda machine: machine.worker)))

    def console(self, worker: WorkerName) -> str:
        """Also of a deleted worker, as long as its log is kept."""
        try:
            return _tail(self._folder(worker) / _LOG, self._settings.console_most_bytes).decode(
                "utf-8", "replace"
            )
        except FileNotFoundError:
            raise NotFound(f"Worker {worker} has no log on this machine.") from None
        except OSError as error:
            raise Unavailable(f"The log of worker {worker} cannot be read: {clause(error)}.") from error

    def health(self) -> None:
        try:
            self._workers.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"Cannot use the data folder {self._workers}: {error.strerror}.") from error
        if not os.access(self._workers, os.W_OK | os.X_OK):
            raise Unavailable(f"Cannot write to the data folder {self._workers}.")
        if self._settings.run_as and os.geteuid() != 0:
            raise InvalidRequest(
                f"Driver {self.name!r} has run_as {self._settings.run_as!r}, but only root can run jobs as another user. "
                "Run the server as root or remove run_as."
            )
        if shutil.which(self._settings.python) is None:
            raise InvalidRequest(
                f"{self._settings.python} is not a program. Set `python` of driver {self.name!r}."
            )

    # --- inside

    def _folder(self, worker: str) -> Path:
        if not worker or worker.startswith(".") or "/" in worker or "\0" in worker:
            raise InvalidRequest(f"{worker!r} is not a valid name of a worker.")
        return self._workers / worker

    def _start(self, spec: WorkerSpec, folder: Path, start: StartData) -> Machine:
        worker, tags = spec.name, tags_of(spec)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._record(folder, _Record(handle="", tags=tags))
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            log = os.open(folder / _LOG, flags, 0o600)
            try:
                process = subprocess.Popen(
                    [self._settings.python, "-m", "herder.agent"],
                    env=self._environment(worker, start),
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except FileNotFoundError as error:
            raise InvalidRequest(f"Cannot start an agent: {error.filename} does not exist.") from error
        except OSError as error:
            raise Unavailable(f"Cannot start an agent: {clause(error)}.") from error
        self._children[worker] = process
        started = processes.start_time(process.pid)
        handle = _handle(process.pid, started or 0.0)
        self._record(folder, _Record(handle=handle, tags=tags))
        phase = Phase.STOPPED if started is None else Phase.RUNNING
        return Machine(worker=worker, handle=handle, phase=phase, tags=tags)

    def _environment(self, worker: WorkerName, start: StartData) -> dict[str, str]:
        """The server's own environment may hold secrets that are none of the worker's business: all HERDER_* stay here."""
        cached = self._settings.url_cache_mib
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HERDER_")}
        return inherited | {
            startup.SERVER: start.server_url,
            startup.WORKER: worker,
            startup.INSTALLATION: self._installation,
            startup.ACTIVATION_TOKEN: start.activation_token,
            startup.SELF_DELETE_AFTER_S: str(start.self_delete_after_s),
            startup.WORK_FOLDER: str(self.work_folder(worker)),
            startup.RUN_AS: self._settings.run_as,
            startup.LOG_FORMAT: os.environ.get(startup.LOG_FORMAT, ""),
            startup.CGROUPS: "" if self._settings.cgroups else "off",
            startup.DATA_FOLDERS: self._settings.url_folders,
            startup.DATA_HOSTS: self._settings.url_hosts,
            startup.DATA_CREDENTIALS: self._settings.url_credentials,
            startup.DATA_CACHE_MIB: "" if cached is None else str(cached),
        }

    def _record(self, folder: Path, record: "_Record") -> None:
        """Without a handle: about to be started. A crash within leaves no half record; one after it, a worker that is listed."""
        try:
            fresh = folder / (_RECORD + ".new")
            fresh.write_text(json.dumps(_plain(record)), encoding="utf-8")
            fresh.replace(folder / _RECORD)
        except OSError as error:
            raise Unavailable(f"Cannot write {folder / _RECORD}: {error.strerror}.") from error

    def _records(self) -> "dict[WorkerName, _Record]":
        """Of the workers that were started and not deleted. Raises Unavailable rather than say there are none."""
        records: dict[WorkerName, _Record] = {}
        try:
            for path in self._workers.glob(f"*/{_RECORD}") if self._workers.exists() else ():
                with suppress(FileNotFoundError):
                    records[WorkerName(path.parent.name)] = _read(json.loads(path.read_bytes()))
            if not self._workers.exists() and not _could_be_made(self._workers):
                raise Unavailable(f"Cannot use the data folder {self._workers}.")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"Cannot read the records in {self._workers}: {clause(error)}.") from error
        return records

    def _clear(self, folder: Path) -> None:
        """Everything but the end of the log."""
        try:
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    remove_folder(str(path))
                elif path.name != _LOG:
                    path.unlink(missing_ok=True)
            log = folder / _LOG
            if log.exists():
                log.write_bytes(_tail(log, self._settings.console_most_bytes))
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"Cannot remove files in {folder}: {clause(error)}.") from error

    def _clear_unrecorded(self, known: set[WorkerName]) -> None:
        """What is left of workers without record and process. Not while one is being started or removed."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for folder in self._workers.iterdir() if self._workers.exists() else ():
                name = WorkerName(folder.name)
                if name in known or name in self._children or not folder.is_dir():
                    continue
                if not (folder / _RECORD).exists() and any(path.name != _LOG for path in folder.iterdir()):
                    self._clear(folder)
        except OSError as error:
            raise Unavailable(f"Cannot remove files in {self._workers}: {clause(error)}.") from error
        finally:
            self._lock.release()

    def _forget_old_consoles(self) -> None:
        ended = [path for path in self._workers.iterdir() if not (path / _RECORD).exists()]
        logs = sorted(
            (path for path in ended if (path / _LOG).exists()), key=lambda path: (path / _LOG).stat().st_mtime
        )
        for path in logs[: max(0, len(logs) - self._settings.consoles_kept)]:
            if WorkerName(path.name) not in self._children:
                remove_folder(str(path))

    def _reap(self) -> None:
        """Ended agents that this process started would stay as zombies. Needs no SIGCHLD, which belongs to the server."""
        with self._lock:
            for worker, process in list(self._children.items()):
                if process.poll() is not None:
                    del self._children[worker]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    handle: str
    tags: MachineTags | None
    """None in records of an earlier version."""


def _plain(record: _Record) -> dict[str, Any]:
    return {"handle": record.handle, **({"tags": asdict(record.tags)} if record.tags is not None else {})}


def _read(plain: dict[str, Any]) -> _Record:
    """Raises KeyError, TypeError."""
    return _Record(handle=plain["handle"], tags=MachineTags(**plain["tags"]) if "tags" in plain else None)


def _handle_in(records: dict[WorkerName, _Record], name: str) -> str | None:
    found = records.get(WorkerName(name))
    return None if found is None else found.handle


def _handle(pid: int, started: float) -> str:
    return f"{pid}@{started:.2f}"


def _handle_of(agent: processes.Found, recorded: str | None) -> str:
    """The recorded one where it is of this process."""
    same = recorded is not None and recorded.startswith(f"{agent.pid}@")
    return recorded if recorded and same else _handle(agent.pid, agent.started)


def _tail(path: Path, most_bytes: int) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - most_bytes))
        return file.read(most_bytes)


def _could_be_made(folder: Path) -> bool:
    """Whether the nearest existing ancestor is a folder."""
    for ancestor in folder.parents:
        if os.path.lexists(ancestor):
            return ancestor.is_dir()
    return False
