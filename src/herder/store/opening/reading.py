"""Opens a store read-only, with or without a running server, and without changing a byte.

Called by `herder simulate --from-events`. One connection, one snapshot. Nothing is migrated: an older schema is read as it is,
a newer one is refused. Errors are `StoreError`s whose text says what to do.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from herder.model.values.addresses import shown_address
from herder.store.opening.database import STORE_FILE, StoreError, known_revisions
from herder.store.opening.database_errors import reason


@contextmanager
def reading(where: str) -> Iterator[Connection]:
    """`where`: a SQLite file, a data folder with one, or a store's URL. Raises StoreError."""
    try:
        with _opened(_sqlite_file(where) or where) as connection:
            _check_schema(connection, where)
            yield connection
    except DBAPIError as error:
        raise StoreError(
            f"Cannot read the store at {shown_address(where)}: {reason(error)}.",
            "Check that it is a store of Herder.",
        ) from None


def _sqlite_file(where: str) -> Path | None:
    """The file that is meant; None for the URL of a server."""
    if "://" in where:
        try:
            parsed = make_url(where)
        except (ArgumentError, ValueError):  # the latter for a port that is no number
            raise StoreError(
                f"{shown_address(where)!r} is not a database URL.",
                "Write a path or postgresql://user@host/name.",
            ) from None
        if parsed.get_backend_name() != "sqlite":
            return None
        path = Path(parsed.database or "")
    else:
        path = Path(where)
    if path.is_dir():
        path = path / STORE_FILE
    if not path.is_file():
        raise StoreError(
            f"There is no store at {path}.", f"Name a {STORE_FILE}, a data folder or the URL of a store."
        )
    return path


@contextmanager
def _opened(where: Path | str) -> Iterator[Connection]:
    if isinstance(where, Path):
        with _opened_file(where) as connection:
            yield connection
        return
    engine = _postgres(where)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection
    finally:
        engine.dispose()


def _postgres(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise StoreError(
            f"{parsed.get_backend_name()!r} is not supported as a store.", "Use SQLite or PostgreSQL."
        )
    return create_engine(parsed.set(drivername="postgresql+psycopg"), poolclass=NullPool)


@contextmanager
def _opened_file(path: Path) -> Iterator[Connection]:
    """Without a write-ahead log beside it no server is at work, and SQLite need not make one: the file is read as it stands."""
    log = path.with_name(path.name + "-wal")
    still = not log.exists()
    before = path.stat()
    address = f"file:{quote(str(path.resolve()))}?mode=ro{'&immutable=1' if still else ''}"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False, timeout=10),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()
    after = path.stat()
    if still and (log.exists() or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size)):
        raise StoreError(f"A server began to use {path} while it was read.", "Run the command again.")


def _check_schema(connection: Connection, where: str) -> None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise StoreError(f"{shown_address(where)} is a database, but not a store of Herder.")
    if revision not in known_revisions():
        raise StoreError(
            f"The store at {shown_address(where)} was written by a newer version of Herder (schema {revision}).",
            "Read it with that version or a newer one.",
        )
