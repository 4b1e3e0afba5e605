"""Opening the database: URL, connection settings, migrations, and the lock that makes one server the only writer.

Called by `app.py` and by the tests; nothing else opens connections. Errors are `StoreError`s whose text says what to do.
"""

import fcntl
from contextlib import AbstractContextManager, suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

#: A number of our own for PostgreSQL's advisory lock ("herder" in ASCII).
ADVISORY_LOCK = 0x686572646572


class StoreError(Exception):
    """The store cannot be used; the text says why and what to do."""


def sqlite_url(data_dir: Path) -> str:
    return f"sqlite:///{data_dir / 'herder.db'}"


def open_engine(url: str) -> Engine:
    """A SQLAlchemy engine with our settings. Raises StoreError for a URL that is not SQLite's or PostgreSQL's."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            f"{url!r} is not a database URL; write sqlite:////path/herder.db or postgresql://user@host/name"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=6, pool_pre_ping=True)
    if backend != "sqlite":
        raise StoreError(f"{backend!r} is not supported as a store; use SQLite or PostgreSQL")
    engine = create_engine(parsed, connect_args={"check_same_thread": False, "timeout": 10}, pool_size=6)
    event.listen(engine, "connect", _sqlite_settings)
    return engine


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
    config, scripts = _migrations()
    known = known_revisions()
    try:
        with engine.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in known:
                raise StoreError(
                    f"the data at {engine.url.render_as_string()} was written by a newer Herder (schema {current}); "
                    "start that version or a newer one, nothing was changed"
                )
            if current != scripts.get_current_head():
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except OperationalError as error:
        raise StoreError(f"cannot open the store at {engine.url.render_as_string()}: {error.orig}") from None


def known_revisions() -> frozenset[str]:
    """The schemas that this version can read."""
    return frozenset(script.revision for script in _migrations()[1].walk_revisions())


def _migrations() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config, ScriptDirectory.from_config(config)


class FileLock(AbstractContextManager["FileLock"]):
    """Held for the life of a server on a data folder. The kernel lets go of it when the process ends, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "server.lock"
        self._file: TextIOWrapper | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise StoreError(
                f"another Herder server already uses {self._path.parent}; stop it first or give another --data-dir"
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class AdvisoryLock(AbstractContextManager["AdvisoryLock"]):
    """PostgreSQL's form of the same: a session lock on a connection of its own, gone when the connection is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        try:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        except OperationalError as error:
            raise StoreError(
                f"cannot reach the store at {self._engine.url.render_as_string()}: {error.orig}"
            ) from None
        held = self._connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({ADVISORY_LOCK})").scalar()
        if not held:
            self._connection.close()
            raise StoreError(
                f"another Herder server already uses {self._engine.url.render_as_string()}; stop it first"
            )
        return self

    def alive(self) -> bool:
        """False when the connection, and with it the lock, is gone: then this process must stop writing."""
        if self._connection is None:
            return False
        try:
            return self._connection.exec_driver_sql("SELECT 1").scalar() == 1
        except SQLAlchemyError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        # Said aloud, since the database sees only a while later that a connection has gone.
        with suppress(SQLAlchemyError):
            self._connection.exec_driver_sql(f"SELECT pg_advisory_unlock({ADVISORY_LOCK})")
        self._connection.invalidate()  # back in the pool it would keep a lock that was not let go
        self._connection.close()
