"""The file of a SQLite store: one server at a time, whatever the path; detects its removal; reserves some space for work in progress.

Called by the opening of a store and by the writer. The lock is on the file itself, so symbolic links and mounts lead
to the same one; a file with hard links is refused before (`database.py`). The file must not be closed while SQLite has it open:
closing any handle drops SQLite's own locks.
"""

import errno
import fcntl
import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from herder.ports.store import StoreDown, Trouble
from herder.store.opening.database_errors import FULL

#: Below this, new work is refused, and what is left is for the ends of work that was accepted: as much as SQLite's log grows to.
SPACE_KEPT_BYTES = 24 * 2**20
#: With less than this an error of writing is one of space.
SPACE_NONE_BYTES = 2**18

_LOW = Trouble(code=FULL.code, text="The store is almost full.", hint=FULL.hint, stuck=False)


class InUse(Exception):
    """Another server has it."""


class StoreFile(AbstractContextManager["StoreFile"]):
    """Made, private to its owner, and locked. Raises InUse, OSError."""

    #: Files that this process has open: opening one a second time and closing it would take SQLite's locks away.
    _here: ClassVar[set[tuple[int, int] | None]] = set()

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1
        self._file: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        there = _identity(self.path)
        if there is not None and there in self._here:
            raise InUse(str(self.path))
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(handle, 0o600)
        except OSError as error:
            os.close(handle)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise InUse(str(self.path)) from None
            raise
        self._handle, self._file = handle, _identity(self.path)
        self._here.add(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._here.discard(self._file)
            self._handle = -1

    def check(self) -> None:
        """After each commit, and before anybody is told of it. Raises StoreDown when what was written is not there any more."""
        if _identity(self.path) == self._file:
            found = _identity(self.path.with_name(self.path.name + "-wal"))
            if self._log is None:
                self._log = found
            if found == self._log:
                return
        raise StoreDown(
            f"The store's file {self.path} or its log was deleted or replaced under the running server. "
            "Restore the file or a backup, then start the server again."
        )

    def log_was_closed(self) -> None:
        """After an error SQLite may have made its log anew."""
        self._log = None

    def space(self) -> Trouble | None:
        """A word when little is left."""
        return _LOW if self.free_bytes() < SPACE_KEPT_BYTES else None

    def full(self) -> bool:
        return disk_is_full(self.path)

    def free_bytes(self) -> int:
        return _free_bytes(self.path)


def disk_is_full(path: Path) -> bool:
    """The one of this file."""
    return _free_bytes(path) < SPACE_NONE_BYTES


def _free_bytes(path: Path) -> int:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return SPACE_KEPT_BYTES  # unknown is not nothing
    return found.f_bavail * found.f_frsize


def _identity(path: Path) -> tuple[int, int] | None:
    """None when it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
