"""Files of this machine and of a job's folder, opened so that no link leads out of where they may be. Used by `downloads` and `uploads`.

What may be read or written by `file://` are the folders of `HERDER_DATA_FOLDERS` and all below them. A job's folder is its own: a link in
it, put there by a job to a file that only the agent can read, is never followed. Everything here blocks.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from herder.remote.object_stores.listing import pattern_of
from herder.remote.object_stores.opening import DataFault, DataMissing

ENTRIES_MAX = 100_000
"""Files of one input or output."""
LEVELS_MAX = 256
"""Of folders in it; each has an open descriptor while it is read."""
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PIECE = 64 * 2**20
_JOBS_FAULT = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.ENXIO)


def may_use(path: str, folders: Sequence[str]) -> bool:
    """Of a path without links."""
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in folders)


def not_allowed(path: str, folders: Sequence[str]) -> DataFault:
    allowed = ", ".join(folders) or "none"
    return DataFault(
        f"The job uses file://{path}, which this worker does not allow. Allowed folders: {allowed} (HERDER_DATA_FOLDERS)."
    )


def open_allowed(path: str, folders: Sequence[str]) -> int:
    """A regular file, for reading. What was opened is looked at, not the name, so that no link is swapped in between.
    Raises DataFault or OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        real = os.path.realpath(path)
        if not may_use(real, folders):
            raise not_allowed(path, folders) from None
        raise DataMissing(f"file://{path} does not exist.") from None
    try:
        if not may_use(os.readlink(f"/proc/self/fd/{descriptor}"), folders):
            raise not_allowed(path, folders)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DataFault(f"file://{path} is not a file. Write a / at the end of the URL of a folder.")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def folder_allowed(path: str, folders: Sequence[str]) -> int:
    """A folder to write into, made if it is not there. Raises DataFault or OSError."""
    if not may_use(os.path.realpath(path), folders):
        raise not_allowed(path, folders)
    os.makedirs(path, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if not may_use(os.readlink(f"/proc/self/fd/{descriptor}"), folders):
        os.close(descriptor)
        raise not_allowed(path, folders)
    return descriptor


def _below(folder: int) -> Iterator[str]:
    """Every entry that is no folder, by its path, in order; links to folders are told as what they are. Raises DataFault."""
    count = 0
    for at, names, files, descriptor in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        if at.count("/") > LEVELS_MAX:
            raise DataFault(f"The folder has folders nested more than {LEVELS_MAX} levels deep.")
        names.sort()
        links = [each for each in names if _is_link(each, descriptor)]
        for name in sorted((*files, *links)):
            count += 1
            if count > ENTRIES_MAX:
                raise DataFault(f"The folder has more than {ENTRIES_MAX:,} files.")
            yield os.path.normpath(f"{at}/{name}")


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def named_by(top: int, pattern: str) -> list[str]:
    """What is below a folder, by its path in it; of that what a pattern names, unless it is empty. Raises DataFault."""
    found = _below(top)
    if not pattern:
        return list(found)
    wanted = pattern_of(pattern)
    return [name for name in found if wanted.matches(name)]


def own_folder(folder: str, inside: str) -> int | None:
    """A folder of a job's folder, without a link on the way; None when there is none. Raises OSError."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for each in filter(None, inside.split("/")):
        try:
            inner = os.open(each, _OPEN | os.O_DIRECTORY, dir_fd=at)
        except OSError as error:
            if error.errno not in _JOBS_FAULT:
                raise
            return None
        finally:
            os.close(at)
        at = inner
    return at


def open_own(folder: str, name: str, owner: int | None) -> int:
    """A file that a job has left in its folder: no link on the way, no pipe, and the job's own. Raises DataFault or OSError."""
    above, _, last = name.rpartition("/")
    at = own_folder(folder, above)
    try:
        if at is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such folder")
        descriptor = os.open(last, _OPEN, dir_fd=at)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise DataFault(f"The job has not written its output {name}.") from None
        if error.errno not in _JOBS_FAULT:
            raise
        raise DataFault(f"The output {name} is a link, or cannot be read: {error.strerror}.") from None
    finally:
        if at is not None:
            os.close(at)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or (owner is not None and found.st_uid != owner):
        os.close(descriptor)
        raise DataFault(f"The output {name} is not a regular file of this job.")
    return descriptor


def copy(source: int, target: int, check: Callable[[], None]) -> int:
    """Bytes copied, by the kernel and without reading them here where it can. `check` raises to stop it. Raises OSError."""
    copied = 0
    while True:
        try:
            moved = os.copy_file_range(source, target, _PIECE)
        except OSError:
            if copied:
                raise
            return _copy_through_memory(source, target, check)
        if not moved:
            return copied
        copied += moved
        check()


def _copy_through_memory(source: int, target: int, check: Callable[[], None]) -> int:
    """Between file systems that cannot copy into one another."""
    copied = 0
    while piece := os.read(source, 2**20):
        view = memoryview(piece)
        while view:
            view = view[os.write(target, view) :]
        copied += len(piece)
        check()
    return copied
