"""Where the server under test keeps its data: SQLite in its folder, a temporary PostgreSQL, or one that runs already.

Every server that is measured gets an empty database. PostgreSQL runs with its own safe defaults (fsync and synchronous commit
on), SQLite with the server's (WAL, synchronous=FULL): what is answered survives a power cut in both.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import psutil

from herder.cli.shell.exit_codes import Code, CommandError

SQLITE = "sqlite"
POSTGRES = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """`fresh` gives the URL of an empty database, None for SQLite in the data folder."""

    kind: str
    title: str
    fresh: Callable[[], AbstractContextManager[str | None]]
    process: psutil.Process | None = None
    """PostgreSQL's first process where it runs here for us alone; else its CPU cannot be told apart and is not counted."""


@contextmanager
def open_store(which: str) -> Iterator[Store]:
    """`which`: sqlite, postgres, or the URL of a PostgreSQL whose role may create databases. Raises CommandError."""
    if which == SQLITE:
        title = f"SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL"
        yield Store(kind=SQLITE, title=title, fresh=lambda: nullcontext(None))
    elif which == POSTGRES or which.startswith("postgresql"):
        with _postgres(None if which == POSTGRES else which) as store:
            yield store
    else:
        raise CommandError(
            f"{which!r} is no store to measure with",
            hint="Write sqlite, postgres, or postgresql://user@host/postgres.",
            code=Code.USAGE,
        )


@contextmanager
def _postgres(url: str | None) -> Iterator[Store]:
    try:
        from tests.support import postgres
    except ImportError as error:
        raise CommandError(
            f"PostgreSQL needs the module {error.name}", hint="Install herder[postgres].", code=Code.USAGE
        ) from None
    try:
        running = postgres.running_server(fsync=True, url=url)
        with running as server:

            @contextmanager
            def fresh() -> Iterator[str]:
                name = server.create_database()
                try:
                    yield server.url(name)
                finally:
                    server.drop_database(name)

            process = _postmaster(server.pid)
            where = "a temporary server" if process else "a given server, its CPU is not counted"
            title = f"PostgreSQL {server.version}, synchronous_commit=on ({where})"
            yield Store(kind=POSTGRES, title=title, fresh=fresh, process=process)
    except (postgres.PostgresMissing, postgres.PostgresFailed) as error:
        raise CommandError(str(error), code=Code.UNREACHABLE) from None


def _postmaster(supervisor: int | None) -> psutil.Process | None:
    """The server is a child of the shell that watches over it."""
    if supervisor is None:
        return None
    return next(
        child for child in psutil.Process(supervisor).children() if child.name().startswith("postgres")
    )
