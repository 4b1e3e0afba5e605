"""The meaning of a database error: temporary, with a sentence for people, or permanent.

Called by the writer, the reads and the opening of a store. It decides nothing else.
"""

import sqlite3
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from herder.ports.store import Trouble

FULL = Trouble(
    code="store_full",
    text="The store is full.",
    hint="Free space on the disk or in the database. Nothing that was accepted is lost; writing resumes by itself.",
)
BUSY = Trouble(
    code="store_busy",
    text="The store is locked by another process.",
    hint="End the process that keeps a transaction open. Writing resumes by itself.",
)
AWAY = Trouble(
    code="store_away",
    text="The store does not answer.",
    hint="Start the database again or check the network. Nothing that was accepted is lost.",
)
UNWRITABLE = Trouble(
    code="store_unwritable",
    text="The store cannot be written.",
    hint="Check the disk and the permissions of the data folder. Writing resumes by itself.",
)

#: By SQLite's primary result code.
_SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_IOERR: UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: UNWRITABLE,
    sqlite3.SQLITE_READONLY: UNWRITABLE,
    sqlite3.SQLITE_NOMEM: UNWRITABLE,
    sqlite3.SQLITE_PROTOCOL: BUSY,
}
#: By the beginning of PostgreSQL's SQLSTATE, the longest first.
_POSTGRES = {
    "53100": FULL,
    "25006": UNWRITABLE,  # a standby, or a database set to read only
    "57014": BUSY,
    "57P": AWAY,
    "55P03": BUSY,
    "25P": BUSY,
    "08": AWAY,
    "40": BUSY,
    "53": AWAY,
    "58": UNWRITABLE,
}


def passing(error: BaseException) -> Trouble | None:
    """What to tell while it lasts; None when trying again would be of no use."""
    if isinstance(error, NoConnectionFree):
        return AWAY
    plain = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(plain, sqlite3.Error):
        code = getattr(plain, "sqlite_errorcode", None)
        return None if code is None else _told(_SQLITE.get(code & 0xFF), plain)
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
        return _told(AWAY, plain) if lost else None
    return _told(next((told for start, told in _POSTGRES.items() if state.startswith(start)), None), plain)


def _told(trouble: Trouble | None, error: BaseException | None) -> Trouble | None:
    if trouble is None or trouble is FULL:
        return trouble
    return replace(trouble, text=f"{trouble.text.removesuffix('.')}: {reason(error)}.")


def reason(error: BaseException | None) -> str:
    """The database's own words, in one line."""
    plain = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(plain).split()).partition(" Is the server running")[0].rstrip(".")


def sqlite_path(database: str | None) -> Path | None:
    """The file of a SQLite store, symbolic links followed; None for one in memory."""
    if not database or database == ":memory:" or database.startswith("file:"):
        return None
    return Path(database).resolve()
