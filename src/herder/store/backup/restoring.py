"""Puts a backup in the place of a SQLite store, and marks a store as put back.

Called by `herder admin restore` and `mark-restored` while no server runs. The previous store is kept beside it; the file of the store is
replaced in one step, so that a crash leaves the old one or the new one, and never an empty one. Errors are `StoreError`s.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from herder.model.stored.incarnation import Incarnation, Seen, other_store, put_back
from herder.model.values.times import iso
from herder.store.backup.taking import Backup, Tell, check_backup, check_file, check_is_file, unreadable
from herder.store.opening.database import StoreError, migrate, open_engine
from herder.store.opening.file import InUse, StoreFile
from herder.store.rows import tables as t
from herder.store.rows.incarnation import (
    PUT_BACK,
    incarnation_record,
    read_incarnation,
    seen_in,
)
from herder.store.rows.versions import UnknownVersion

#: A server that led the forgotten time has an epoch below the restored store's plus this.
EPOCHS_SKIPPED = 1_000
#: Bytes copied between two reports of progress.
PIECE_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    backup: Backup
    incarnation: Incarnation
    store: Path
    kept: Path | None
    """Where the previous store is now."""


def restore(
    file: Path, store: Path, now_ms: int, tell: Tell, *, salt: int, seen: Sequence[Seen] = ()
) -> Restored:
    """The caller holds the lock of the data folder. `salt` is drawn by chance; `seen`: what else is known of later states of the store.
    Raises StoreError; then the store is as it was."""
    check_is_file(file)
    if file.resolve() == store.resolve():
        raise StoreError(
            f"{file} is the store itself.",
            "Name a file that `herder admin backup` wrote. Nothing was changed.",
        )
    check_file(file)
    draft = store.with_name(f"{store.name}.restoring")
    with ExitStack() as stack:
        if store.exists():
            try:
                stack.enter_context(StoreFile(store))
            except InUse:
                raise StoreError(
                    f"A Herder server uses the store {store}.", "Stop the server, then restore."
                ) from None
        stack.callback(_remove, draft)
        _copy(file, draft, tell)
        present = seen_of(store)
        incarnation = _mark_copy(draft, file, now_ms, salt, [*seen, *([present] if present else [])])
        backup = check_backup(draft, named=file)
        kept = _put_aside(store, now_ms)
        draft.replace(store)
        _sync(store.parent)
    return Restored(backup=backup, incarnation=incarnation, store=store, kept=kept)


def seen_of(store: Path) -> Seen | None:
    """What the present store says of itself; None when there is none, or none that can be read."""
    if not store.exists():
        return None
    engine = open_engine(f"sqlite:///{store}")
    try:
        with engine.connect() as connection:
            return seen_in(connection)
    except (DBAPIError, ValueError, KeyError, TypeError):  # damaged, or of another version
        return None
    finally:
        engine.dispose()


def mark_put_back(
    engine: Engine, now_ms: int, how: str, *, salt: int, seen: Sequence[Seen] = ()
) -> Incarnation:
    """In one transaction; no server uses the store. `how`: what happened to it, without the full stop."""
    with engine.begin() as connection:
        mine = seen_in(connection)
        taken_at_ms = mine.at_ms or 0
        later, others = _witnesses(mine, seen)
        after = put_back(
            read_incarnation(connection),
            mine.numbers,
            taken_at_ms=taken_at_ms,
            now_ms=now_ms,
            why=f"{how}. It remembers nothing that happened after {iso(taken_at_ms)}.",
            salt=salt,
            seen=later,
        )
        for other in others:
            why = (
                f"{after.why} The previous store was that of installation {other.installation}, whose workers may still run: check your "
                "providers for machines with its tag."
            )
            at_ms = now_ms if other.at_ms is None else other.at_ms
            after = other_store(
                after, after.next, other.numbers.plans, seen_at_ms=at_ms, now_ms=now_ms, why=why
            )
        record = incarnation_record(after)
        connection.execute(delete(t.meta).where(t.meta.c.key == record.key))
        connection.execute(insert(t.meta).values(**record._asdict()))
        epoch = max(mine.epoch + EPOCHS_SKIPPED, 0 if later is None else later.epoch + 1)
        connection.execute(update(t.leader).values(epoch=epoch))
        event = {"sequence": after.next.events, "at_ms": now_ms, "kind": PUT_BACK}
        event |= {"object": "store/incarnation", "actor": "herder", "text": after.why, "data": "{}"}
        if (
            connection.execute(
                select(t.events.c.sequence).where(t.events.c.sequence == event["sequence"])
            ).first()
            is None
        ):
            connection.execute(insert(t.events).values(**event))
    return after


def _witnesses(mine: Seen, seen: Sequence[Seen]) -> tuple[Seen | None, list[Seen]]:
    """Those of the same installation, joined; and those of others."""
    same: Seen | None = None
    others = []
    for each in seen:
        if mine.installation and each.installation and each.installation != mine.installation:
            others.append(each)
        else:
            same = each.joined(same)
    return same, others


def _copy(file: Path, draft: Path, tell: Tell) -> None:
    _remove(draft)
    total, done = file.stat().st_size, 0
    try:
        with (
            file.open("rb") as source,
            os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
            ) as target,
        ):
            while piece := source.read(PIECE_BYTES):
                target.write(piece)
                done += len(piece)
                tell(done, total)
    except OSError as error:
        raise StoreError(
            f"Cannot copy {file} to {draft}: {error.strerror}.",
            "Free space on the disk. Nothing was changed.",
        ) from None


def _mark_copy(draft: Path, file: Path, now_ms: int, salt: int, seen: Sequence[Seen]) -> Incarnation:
    """Migrate the copy, mark it as put back, and write its log into it."""
    engine = open_engine(f"sqlite:///{draft}")
    how = f"The store was restored from the backup {file.name}"
    try:
        migrate(engine)
        incarnation = mark_put_back(engine, now_ms, how, salt=salt, seen=seen)
        engine.dispose()
        _close_log(draft)
    except (DBAPIError, sqlite3.Error) as error:
        raise unreadable(file, error) from None
    except UnknownVersion as error:
        raise StoreError(str(error), "Nothing was changed.") from None
    finally:
        engine.dispose()
    with draft.open("rb") as copied:
        os.fsync(copied.fileno())
    return incarnation


def _close_log(path: Path) -> None:
    """Write the log into the file and delete it. Raises sqlite3.Error when it is damaged."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")


def _put_aside(store: Path, now_ms: int) -> Path | None:
    """Give the present store a second name. Its log is written into it, or kept beside it when it is damaged."""
    if not store.exists():
        _remove_logs(store)
        return None
    moment = iso(now_ms).replace("-", "").replace(":", "").partition(".")[0].rstrip("Z")
    ends = chain([""], (f"-{number}" for number in count(2)))
    names = (store.with_name(f"{store.name}.before-restore-{moment}{end}") for end in ends)
    kept = next(each for each in names if not os.path.lexists(each))
    with suppress(sqlite3.Error):
        _close_log(store)
    for suffix in ("-wal", "-shm"):
        log = store.with_name(store.name + suffix)
        if log.exists():
            log.replace(kept.with_name(kept.name + suffix))
    try:
        os.link(store, kept)
    except OSError as error:
        raise StoreError(
            f"Cannot keep the present store as {kept}: {error.strerror}.", "The store was not replaced."
        ) from None
    return kept


def _remove(draft: Path) -> None:
    draft.unlink(missing_ok=True)
    _remove_logs(draft)


def _remove_logs(path: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
