"""Opening the database: URL, connection settings, migrations, and the lock on a data folder.

Called by the server and by the tests; nothing else opens connections. Errors are `StoreError`s whose text says what to do.
"""

import fcntl
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary, finalize

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from herder.model.values.addresses import shown_address
from herder.store.opening.database_errors import FULL, passing, reason, sqlite_path
from herder.store.opening.file import InUse, StoreFile, disk_is_full

#: A number of our own for PostgreSQL's advisory lock ("herder" in ASCII). Held during a migration; servers of versions without a lease
#: hold it as long as they run.
ADVISORY_LOCK = 0x686572646572
_LOCK_NOT_AVAILABLE = "55P03"
#: How long a migration waits for another one.
MIGRATION_WAIT_MS = 10_000

#: A database that was cut off, not closed, is given up after 10 to 20 seconds; TCP alone would wait for a quarter of an hour.
_ANSWER_SOON = {"connect_timeout": 10, "keepalives_idle": 10, "tcp_user_timeout": 20_000}


#: The file of a data folder that holds the store.
STORE_FILE = "herder.db"


class StoreError(Exception):
    """The store cannot be used. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _shown(engine: Engine) -> str:
    return shown_address(engine.url.render_as_string())


def sqlite_url(data_dir: Path) -> str:
    return f"sqlite:///{data_dir / STORE_FILE}"


def greet(engine: Engine) -> None:
    """A new connection and nothing more. Raises SQLAlchemyError when a PostgreSQL does not answer."""
    alone = create_engine(engine.url, poolclass=NullPool, connect_args=_ANSWER_SOON)
    with alone.connect():
        pass


def open_engine(url: str, application: str = "herder") -> Engine:
    """A SQLAlchemy engine with our settings. `application`: as PostgreSQL shows its sessions. Raises StoreError for a URL that is not
    SQLite's or PostgreSQL's, and for a file with several names."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise StoreError(
            f"{shown_address(url)!r} is not a database URL.",
            "Write sqlite:////path/herder.db or postgresql://user@host/name.",
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=6,
            pool_pre_ping=True,
            connect_args={**_ANSWER_SOON, "application_name": application},
        )
    if backend != "sqlite":
        raise StoreError(f"{backend!r} is not supported as a store.", "Use SQLite or PostgreSQL.")
    # An address with options, SQLite's own `file:` or one in memory would pass by the lock on the file.
    if parsed.query or sqlite_path(parsed.database) is None:
        raise StoreError(
            f"{shown_address(url)!r} does not name a file.",
            "Write sqlite:////path/herder.db, without options and without file:.",
        )
    _has_one_name(sqlite_path(parsed.database))
    engine = create_engine(
        parsed.set(drivername="sqlite"), connect_args={"check_same_thread": False, "timeout": 10}, pool_size=6
    )
    event.listen(engine, "connect", _sqlite_settings)
    return engine


def _has_one_name(path: Path | None) -> None:
    """SQLite's log lies beside the name by which the file was opened: by another name, what stands in the log is missing.
    Raises StoreError."""
    try:
        names = 1 if path is None else path.stat().st_nlink
    except OSError:  # it is not there yet, or SQLite says what is wrong
        return
    if names > 1:
        raise StoreError(
            f"The store {path} has {names} names (hard links), and SQLite keeps a separate log for each.",
            f"Remove the other names (find them "
            f"with `find / -xdev -samefile {path}`) and keep the one that has a file -wal beside it.",
        )


def _sqlite_settings(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # an answered write survives a power cut
    cursor.execute("PRAGMA cache_size=-65536")
    cursor.execute("PRAGMA mmap_size=268435456")
    cursor.execute("PRAGMA wal_autocheckpoint=4000")
    cursor.close()


def migrate(engine: Engine) -> None:
    """Bring the tables to this version's state. Raises StoreError when the data is from a newer version."""
    try:
        with engine.begin() as connection:
            if _revision(engine, connection) == _newest():
                return
            if connection.dialect.name == "postgresql":
                _alone(engine, connection)
            if _revision(engine, connection) != _newest():
                config = _migrations()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except DBAPIError as error:
        raise unusable(engine, error) from None


def prepare(engine: Engine) -> None:
    """Before a server competes for the lease of a PostgreSQL store: make the tables, unless the store has a lease, whose holder may be
    at work. It is then migrated by the next one to lead. Raises StoreError."""
    try:
        with engine.connect() as connection:
            _revision(engine, connection)
            if inspect(connection).has_table("lease"):
                return
    except DBAPIError as error:
        raise unusable(engine, error) from None
    migrate(engine)


def schema_behind(connection: Connection) -> str:
    """Of a store that the next start of a server migrates: its schema, or `none`. Empty: it has that of this version. Raises StoreError."""
    current = _revision(connection.engine, connection)
    return "" if current == _newest() else current or "none"


def _revision(engine: Engine, connection: Connection) -> str | None:
    """Raises StoreError for one that this version does not know."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known_revisions():
        raise StoreError(
            f"The store at {_shown(engine)} was written by a newer version of Herder (schema {current}).",
            "Start that version or a newer one. Nothing was changed.",
        )
    return current


def _alone(engine: Engine, connection: Connection) -> None:
    """Until the transaction ends. Raises StoreError."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {MIGRATION_WAIT_MS}")
    try:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
            raise
        raise StoreError(
            f"A Herder server of an earlier version uses {_shown(engine)}.", "Stop that server first."
        ) from None


def unusable(engine: Engine, error: DBAPIError) -> StoreError:
    """For people: what is wrong with the store, and what to do."""
    where = _shown(engine)
    trouble = passing(error)
    path = sqlite_path(engine.url.database) if engine.dialect.name == "sqlite" else None
    # With no space at all SQLite cannot even make its log, and says only that reading or writing failed.
    no_space = trouble is not None and path is not None and disk_is_full(path)
    if no_space or (trouble is not None and trouble.code == FULL.code):
        return StoreError(
            f"The store at {where} is full.",
            "Free space on its disk, then start the server again. Nothing that was accepted is lost.",
        )
    if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"The store at {where} is damaged or is not a store of Herder: {reason(error)}.",
            "Restore a backup, or move the file away to begin with an empty store.",
        )
    if engine.dialect.name == "postgresql" and isinstance(error, OperationalError):
        return StoreError(
            f"Cannot reach the store at {where}: {reason(error)}.", "Check that the database is running."
        )
    if (
        engine.dialect.name == "postgresql"
    ):  # an option in the address that does not exist, a right that is missing
        return StoreError(f"Cannot use the store at {where}: {reason(error)}.")
    return StoreError(f"Cannot open the store at {where}: {reason(error)}.")


@contextmanager
def sqlite_file(engine: Engine) -> Iterator[StoreFile | None]:
    """The file of this store, locked and private; None for another database. Raises StoreError."""
    path = sqlite_path(engine.url.database) if engine.dialect.name == "sqlite" else None
    if path is None:
        yield None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(StoreFile(path))
        except InUse:
            raise StoreError(
                f"Another Herder server already uses the store {path}.",
                "Stop that server, or name another store with --store.",
            ) from None
        except OSError as error:
            raise StoreError(
                f"Cannot open the store {path}: {error.strerror}.",
                "Check the permissions of the file and its folder.",
            ) from None
        yield file


@cache
def known_revisions() -> frozenset[str]:
    """The schemas that this version can read."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


@cache
def _newest() -> str | None:
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_migrations())


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return config


class FileLock(AbstractContextManager["FileLock"]):
    """Held for the life of a server on a data folder. The kernel lets go of it when the process ends, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "server.lock"
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("a")
        except OSError as error:
            raise StoreError(
                f"Cannot write to the data folder {self._path.parent}: {error.strerror}.",
                "Check its permissions and its disk, or name another folder with --data-dir.",
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StoreError(
                f"Another Herder server already uses {self._path.parent}.",
                "Stop that server, or name another folder with --data-dir.",
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class Sockets:
    """The sockets of a PostgreSQL engine's connections, so that calls on them can be ended from another thread: a network that was cut
    says nothing, and a call would wait for as long as TCP does."""

    def __init__(self, engine: Engine) -> None:
        self._handles: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        event.listen(engine, "connect", self._connected)

    def _connected(self, connection: DBAPIConnection, _record: object) -> None:
        # A handle of our own: the number of the connection's would be another file's once it is closed.
        handle = os.dup(connection.fileno())
        finalize(connection, os.close, handle)
        self._handles[connection] = handle

    def cut(self) -> None:
        for _connection, handle in list(
            self._handles.items()
        ):  # which holds the connections, and so the handles open
            borrowed = socket.socket(fileno=handle)
            with suppress(OSError):
                borrowed.shutdown(socket.SHUT_RDWR)
            borrowed.detach()
