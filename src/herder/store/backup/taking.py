"""Takes a backup of a SQLite store, whether a server runs on it or not, and checks a backup.

`VACUUM INTO` copies one snapshot: writers go on beside it, and the copy has no free space in it. The copy is written under another name,
checked, made durable and only then given its name, so that a file of that name is always whole. Nothing is ever overwritten.
Called by `herder admin backup` and by restores; errors are `StoreError`s.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, create_engine, func, select
from sqlalchemy.exc import DBAPIError

from herder.model.values.phrases import counted
from herder.model.work.job import JobState
from herder.store.invariants import violations
from herder.store.opening.database import StoreError, known_revisions
from herder.store.opening.database_errors import passing, reason
from herder.store.rows import tables as t
from herder.store.rows.incarnation import TAKEN_AT, installation_in, remembered_until_ms
from herder.store.rows.versions import UnknownVersion

#: Instructions of SQLite between two reports of progress: some milliseconds.
OPERATIONS_PER_LOOK = 200_000
#: Problems of a file that are named.
NAMED = 5
#: How each database of SQLite begins, and the length of its header.
MAGIC, HEADER_BYTES = b"SQLite format 3\0", 100
USE_ANOTHER = "Use another backup. Nothing was changed."

Tell = Callable[[int, int], None]
"""Is given (bytes done, bytes in all)."""


class NoSuchFile(StoreError):
    """There is no file of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What is in a file."""

    path: Path
    bytes: int
    remembered_until_ms: int
    """The latest moment that it remembers."""
    jobs: int
    unended_jobs: int
    workers: int
    """That had not ended."""


def take_backup(store: Path, target: Path, now_ms: int, tell: Tell) -> Backup:
    """`now_ms` is recorded in it: what happens from then on it may lack. Raises StoreError; then nothing is left at `target`."""
    if os.path.lexists(target):
        raise StoreError(
            f"The file {target} already exists, and a backup overwrites nothing.", "Name another file."
        )
    draft = target.with_name(f".{target.name}.part")
    with _draft(draft, target):
        _copy(store, draft, tell)
        _record_moment(draft, now_ms)
        found = check_backup(draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        _name(draft, target)
    return replace(found, path=target)


@contextmanager
def _draft(draft: Path, target: Path) -> Iterator[None]:
    """An empty file that only its owner can read, removed at the end. A file that a killed backup has left is reused."""
    try:
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(
            f"Cannot write {target}: {error.strerror}.",
            "Name a file in a folder that exists and is writable.",
        ) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"Another backup is being written to {target}.", "Wait for it, or name another file."
            ) from None
        try:
            os.fchmod(handle, 0o600)
            os.ftruncate(handle, 0)
            yield
        finally:
            draft.unlink(missing_ok=True)
            draft.with_name(f"{draft.name}-journal").unlink(missing_ok=True)
    finally:
        os.close(handle)


def _name(draft: Path, target: Path) -> None:
    """A link, because a rename would overwrite. Raises StoreError."""
    try:
        os.link(draft, target)
        draft.unlink()
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise StoreError(f"The file {target} was created meanwhile.", "Name another file.") from None
    except OSError as error:
        raise StoreError(f"Cannot write {target}: {error.strerror}.") from None


def _copy(store: Path, draft: Path, tell: Tell) -> None:
    interrupted = False

    def look() -> int:
        nonlocal interrupted
        try:
            tell(min(draft.stat().st_size, total), total)
        except (KeyboardInterrupt, OSError):  # OSError: the terminal or the file no longer exists
            interrupted = True
        return int(interrupted)

    try:
        with closing(sqlite3.connect(f"file:{quote(str(store))}?mode=rw", uri=True, timeout=30)) as source:
            pages, free, size = (
                source.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            total = (pages - free) * size
            source.set_progress_handler(look, OPERATIONS_PER_LOOK)
            source.execute("VACUUM INTO ?", (str(draft),))
            source.set_progress_handler(None, 0)
        tell(total, total)
    except sqlite3.Error as error:
        if interrupted:
            raise KeyboardInterrupt from None
        raise StoreError(
            f"Cannot copy the store {store}: {reason(error)}.",
            "Check the free space on the disk of the backup, and that the store is not damaged.",
        ) from None


def _record_moment(draft: Path, now_ms: int) -> None:
    """Rows alone say only when something happened last."""
    try:
        with closing(sqlite3.connect(draft)) as connection, connection:
            connection.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (TAKEN_AT, str(now_ms))
            )
    except sqlite3.Error as error:
        raise StoreError(
            f"Cannot complete the backup {draft}: {reason(error)}.",
            "Check the free space on the disk of the backup.",
        ) from None


def check_backup(path: Path, named: Path | None = None) -> Backup:
    """Read the whole file: SQLite's own check, and the invariants of a store. `named`: the file that it is a copy of. Raises StoreError."""
    named = named or path
    with reading_still(path, named) as connection:
        problems = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(5)")]
    if problems != ["ok"]:
        raise StoreError(f"The file {named} is damaged: {problems[0].rstrip('.')}.", USE_ANOTHER)
    with reading_still(path, named) as connection:
        _check_schema(connection, named)
    with reading_still(path, named) as connection:
        found = violations(connection)
    if found:
        more = counted(len(found), "invariant")
        raise StoreError(f"The store in {named} breaks {more}. {' '.join(found[:NAMED])}", USE_ANOTHER)
    with reading_still(path, named) as connection:
        return _facts(connection, path)


def check_file(path: Path) -> str:
    """That it is a store, whole, and of a version that can be read; answers the tag of its installation, which may be empty. Raises
    StoreError."""
    check_is_file(path)
    _check_whole(path)
    with reading_still(path) as connection:
        _check_schema(connection, path)
    with reading_still(path) as connection:
        return installation_in(connection)


def check_is_file(path: Path) -> None:
    """Raises StoreError."""
    if path.is_file():
        return
    hint = "Name a file that `herder admin backup` wrote. Nothing was changed."
    if not path.exists():
        raise NoSuchFile(f"There is no file {path}.", hint)
    what = "a folder, not a file" if path.is_dir() else "not a regular file"
    raise StoreError(f"{path} is {what}.", hint)


def _check_whole(path: Path) -> None:
    """By SQLite's header: what it is, and how long it must be. Raises StoreError."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError as error:
        raise StoreError(
            f"Cannot read {path}: {error.strerror}.",
            "Check its permissions and its disk. Nothing was changed.",
        ) from None
    if not size:
        raise StoreError(f"The file {path} is empty.", USE_ANOTHER)
    if not header.startswith(MAGIC):
        raise StoreError(
            f"The file {path} is not a backup: it is not a database.",
            "Check that it is a backup of Herder's store. Nothing was changed.",
        )
    page = int.from_bytes(header[16:18])
    whole = (65_536 if page == 1 else page) * int.from_bytes(header[28:32])
    if size < max(HEADER_BYTES, whole):
        raise StoreError(
            f"The file {path} is truncated: it has {size:,} of {max(HEADER_BYTES, whole):,} bytes.",
            "Copy it again, or use another backup. Nothing was changed.",
        )


def _facts(connection: Connection, path: Path) -> Backup:
    ended = [int(state) for state in JobState if state.ended]

    def count(query: object) -> int:
        return int(connection.execute(query).scalar() or 0)  # type: ignore[call-overload]

    return Backup(
        path=path,
        bytes=path.stat().st_size,
        remembered_until_ms=remembered_until_ms(connection),
        jobs=count(select(func.count()).select_from(t.jobs)),
        unended_jobs=count(select(func.count()).select_from(t.jobs).where(t.jobs.c.state.not_in(ended))),
        workers=count(select(func.count()).select_from(t.workers).where(t.workers.c.ended_at_ms.is_(None))),
    )


@contextmanager
def reading_still(path: Path, named: Path | None = None) -> Iterator[Connection]:
    """A connection to a file that no process writes. It creates no log beside the file. Raises StoreError."""
    address = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise unreadable(named or path, error) from None
    except UnknownVersion as error:
        raise StoreError(f"The file {named or path} cannot be read. {error}", USE_ANOTHER) from None
    finally:
        engine.dispose()


def unreadable(path: Path, error: Exception) -> StoreError:
    """What is wrong with a backup, of an error of the database."""
    if passing(error) is None:
        return StoreError(f"The file {path} is damaged: {reason(error)}.", USE_ANOTHER)
    return StoreError(
        f"Cannot read or copy {path}: {reason(error)}.",
        "Check the disks and their free space. Nothing was changed.",
    )


def _check_schema(connection: Connection, path: Path) -> None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise StoreError(
            f"{path} is a database, but not a store of Herder.",
            "Name a file that `herder admin backup` wrote. Nothing was changed.",
        )
    if revision not in known_revisions():
        raise StoreError(
            f"The backup {path} was written by a newer version of Herder (schema {revision}).",
            "Restore it with that version or a newer one. Nothing was changed.",
        )
