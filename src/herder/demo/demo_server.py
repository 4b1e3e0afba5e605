"""The demo's server: a process of its own in a data folder, with three pools and two users. Starts, finds and stops it.

Used by `command.py`. Everything else is asked of it over HTTP. Whatever happens, `stop` leaves no process of it behind.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from herder.cli.shell.exit_codes import Code, CommandError
from herder.client import HerderClient
from herder.client.http import clock
from herder.wire.api.people import TokenCreate
from herder.wire.worker import startup

START_MAX_S = 30.0
"""From the start of the process to its first answer; on an idle machine it is about a second."""
STOP_MAX_S = 25.0
"""For an orderly stop; the server gives its workers 15 s. After that it is killed."""
KILL_MAX_S = 5.0
LOOK_S = 0.05
USERS = ("analytics", "research")
LOG = "server.log"

# Eight workers of a quarter core each are two cores: what the pools promise, a small machine can keep.
SETTINGS = """\
# Written by `herder demo`.
users:
  analytics: {role: user}
  research: {role: user}
templates:
  steady: {cpu: 250m, memory: 512Mi, price_per_hour: "0.12"}
  quick: {cpu: 250m, memory: 512Mi, price_per_hour: "0.24"}
  roomy: {cpu: 250m, memory: 2Gi, price_per_hour: "0.48"}
pools:
  permanent:
    description: One worker at all times, a second one when jobs wait.
    templates: [steady]
    min_workers: 1
    max_workers: 2
    dead_after: 30s
    boot_timeout: 60s
  burst:
    description: Workers for peaks. The times are seconds here; in a real pool they are minutes and hours.
    templates: [quick]
    max_workers: 6
    idle_timeout: 4s
    ttl: 45s
    ttl_max: 90s
    drain_grace: 30s
    dead_after: 30s
    boot_timeout: 60s
  highmem:
    description: Large memory, only for jobs that name this pool.
    templates: [roomy]
    max_workers: 2
    idle_timeout: 6s
    default_eligible: false
    drain_grace: 30s
    dead_after: 30s
    boot_timeout: 60s
"""


@dataclass(slots=True, kw_only=True)
class World:
    """A running server. `temporary`: its folder was made for it and goes with it."""

    folder: Path
    temporary: bool
    process: "subprocess.Popen[bytes]"
    url: str = ""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def client(self, user: str) -> HerderClient:
        return HerderClient(self.url, self.tokens[user])

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def complaint(self) -> tuple[str, str]:
        """What the server said last, and its hint."""
        try:
            lines = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for number, line in enumerate(lines):
            if line.startswith("error: "):
                return line.removeprefix("error: "), " ".join(lines[number + 1 : number + 2])
        return "the server ended: " + (
            lines[-1] if lines else "its log is empty"
        ), f"Its log is {self.folder / LOG}."

    def stop(self) -> None:
        """Orderly if it can be, by force if it must; then the folder goes, if it was made here."""
        with suppress(ProcessLookupError):
            if self.running:
                self.process.send_signal(signal.SIGTERM)  # SIGINT may be ignored from birth
        try:
            self.process.wait(STOP_MAX_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(KILL_MAX_S)
        kill_left(self.folder)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)


def begin(
    data_dir: Path | None,
    port: int,
    verb: str = "up",
    write: Callable[[Path], str] = lambda _folder: SETTINGS,
    variables: Mapping[str, str] | None = None,
) -> World:
    """Starts the server without waiting for it. `verb`: `up` stops its workers when it ends, `server` leaves them. `write`: makes the text
    of herder.yaml, and the other files that it needs in the folder. `variables`: more of its environment. Raises CommandError when the folder cannot be used."""
    folder = _own_folder(data_dir) if data_dir else Path(tempfile.mkdtemp(prefix="herder-demo-"))
    try:
        settings = own(folder / "demo.yaml")
        settings.write_text(write(folder), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HERDER_")}
        environment |= variables or {}
        command = [sys.executable, "-m", "herder.app", verb, "--data-dir", str(folder), "--port", str(port)]
        with own(folder / LOG).open("wb") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which then stops the server in order.
            process = subprocess.Popen(
                [*command, "--config", str(settings)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
    except OSError as error:
        if data_dir is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise CommandError(
            f"Cannot use {folder} as the data folder: {error.strerror}.", hint="Give another --data-dir."
        ) from None
    return World(folder=folder, temporary=data_dir is None, process=process)


def wait_until_it_answers(world: World) -> None:
    """Then has a token for each user, made with the administrator's. Raises CommandError."""
    with wait_for_address(world) as client:
        for user in USERS:
            world.tokens[user] = client.create_token(TokenCreate(user=user, note="herder demo")).token


def wait_for_address(world: World) -> HerderClient:
    """Then knows its address. A client with the rights of the administrator. Raises CommandError."""
    deadline = clock.monotonic_s() + START_MAX_S
    while not _read_address(world):
        if not world.running:
            message, hint = world.complaint()
            raise CommandError(message, hint=hint, code=Code.CONFLICT)
        if clock.monotonic_s() > deadline:
            raise CommandError(
                f"The server did not start within {START_MAX_S:g} s.", hint=world.complaint()[1]
            )
        clock.sleep_s(LOOK_S)
    admin = (world.folder / "admin.token").read_text(encoding="utf-8").strip()
    return HerderClient(world.url, admin)


def own(path: Path) -> Path:
    """A file that only its user reads, also in a folder that others may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    return path


def _own_folder(data_dir: Path) -> Path:
    """An empty or new folder: what others had done in it would be counted with the demo's."""
    folder = data_dir.expanduser().resolve()
    if (folder / "herder.db").exists():
        raise CommandError(
            f"{folder} already contains the data of a server.",
            hint="Give a new or empty --data-dir, or omit it to use a temporary folder.",
            code=Code.CONFLICT,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CommandError(
            f"Cannot use {folder} as the data folder: {error.strerror}.",
            hint="Give another --data-dir.",
            code=Code.CONFLICT,
        ) from None
    return folder


def _read_address(world: World) -> bool:
    try:
        said = json.loads((world.folder / "server.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if said.get("pid") != world.process.pid:
        return False
    world.url = str(said["url"])
    return True


def kill_left(folder: Path) -> None:
    """Workers and attempts whose folder is in ours. After an orderly stop there are none."""
    deadline = clock.monotonic_s() + KILL_MAX_S
    while (left := [each for each in psutil.process_iter() if _is_ours(each, f"{folder}{os.sep}")]) != []:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        if clock.monotonic_s() > deadline:
            return
        clock.sleep_s(LOOK_S)


def _is_ours(process: psutil.Process, prefix: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        marks = process.environ()
    except (psutil.Error, OSError):
        return False
    return any(marks.get(name, "").startswith(prefix) for name in (startup.WORK_FOLDER, startup.SCRATCH))
