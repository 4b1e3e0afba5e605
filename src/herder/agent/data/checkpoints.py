"""The checkpoint folder of a job, which its attempts find again: in a folder that its workers share, removed when the job has succeeded.

Used by `attempt`. What attempts write is in `files`; the folder around it is this agent's, so that no job swaps anything for a link while the
agent, which may be root, gives it away or removes it. An attempt that was lost may succeed after the next one has begun: only the newest
attempt removes the folder. Everything here blocks.
"""

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from herder.agent.data.local import folder_allowed
from herder.agent.processes.run_as import Identity
from herder.model.values.phrases import clause
from herder.remote.folders import remove_folder
from herder.remote.object_stores.opening import DataFault
from herder.wire.data import CHECKPOINT_FILES, JobData, checkpoint_name, read_url

_NEWEST = "attempt"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(
    data: JobData,
    key: tuple[int, int],
    allowed: Sequence[str],
    identity: Identity | None,
    *,
    contained: bool,
) -> None:
    """Made, or as the attempt before has left it. Raises DataFault or OSError."""
    job, attempt = key
    with _above(data, allowed) as above:
        if contained:
            _check_way(os.readlink(f"/proc/self/fd/{above}"), job)
        outer = _opened(checkpoint_name(data, job), above)
        try:
            if os.fstat(outer).st_uid != os.geteuid():
                raise DataFault(
                    f"The checkpoint folder of job {job} belongs to another user than the agent of this worker. Run the agents of workers that "
                    "share it as the same user."
                )
            os.fchmod(outer, 0o700 if identity is None else 0o711)
            _note(attempt, outer)
            files = _opened(CHECKPOINT_FILES, outer)
            try:
                _give(files, identity, contained=contained)
            finally:
                os.close(files)
        finally:
            os.close(outer)


def discard(data: JobData, key: tuple[int, int], allowed: Sequence[str]) -> str:
    """After the success of an attempt. What keeps it from being removed, as a sentence; empty: it is gone, or a newer attempt has it."""
    job, attempt = key
    fault: Exception | None = None
    name = checkpoint_name(data, job)
    try:
        with _above(data, allowed) as above:
            if _newest(name, above) == attempt:
                fault = remove_folder(name, above)
    except (OSError, ValueError, DataFault) as error:
        fault = error
    if fault is None:
        return ""
    why = (isinstance(fault, OSError) and fault.strerror) or fault
    return f"Its checkpoint folder {name} could not be removed: {clause(why)}."


@contextmanager
def _above(data: JobData, allowed: Sequence[str]) -> Iterator[int]:
    above = folder_allowed(f"/{read_url(data.checkpoint).key}", allowed)
    try:
        yield above
    finally:
        os.close(above)


def _check_way(path: str, job: int) -> None:
    """The engine of containers, which is root, finds the folder by its path: whoever can rename a folder on the way would choose what it mounts.
    Raises DataFault or OSError."""
    while True:
        found = os.stat(path)
        by_group = found.st_mode & 0o020 and found.st_gid not in (0, os.getegid())  # a umask of 002 is usual
        shared = (found.st_mode & 0o002 or by_group) and not found.st_mode & stat.S_ISVTX
        if shared or found.st_uid not in (0, os.geteuid()):
            raise DataFault(
                f"Others than the agent of this worker can change {path}, so the container of job {job} gets no checkpoint folder in it. "
                "Use a folder that only the user of the agents can write to."
            )
        if path == "/":
            return
        path = os.path.dirname(path)


def _opened(name: str, at: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)
    return os.open(name, _FOLDER, dir_fd=at)


def _give(files: int, identity: Identity | None, *, contained: bool) -> None:
    if contained:
        os.fchmod(files, 0o777)  # whatever user its image has; nobody else comes through the folder around it
    elif identity is not None:
        os.fchown(files, identity.uid, identity.gid)


def _note(attempt: int, outer: int) -> None:
    """Renamed into its place: it is never half written. One that was lost may begin after a newer one, which stays the newest."""
    with suppress(OSError):  # some file systems of a network have no locks
        fcntl.flock(outer, fcntl.LOCK_EX)  # until `outer` is closed
    with suppress(FileNotFoundError, ValueError):
        if _noted(outer) > attempt:
            return
    part = f"{_NEWEST}.{attempt}"
    file = os.open(
        part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=outer
    )
    try:
        os.write(file, str(attempt).encode())
    finally:
        os.close(file)
    os.rename(part, _NEWEST, src_dir_fd=outer, dst_dir_fd=outer)


def _newest(name: str, above: int) -> int:
    """0: there is no folder. Raises OSError, and ValueError when a machine went down before the number was on its disk."""
    try:
        outer = os.open(name, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        return 0
    try:
        return _noted(outer)
    finally:
        os.close(outer)


def _noted(outer: int) -> int:
    file = os.open(_NEWEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer)
    try:
        text = os.read(file, 20)
    finally:
        os.close(file)
    if not text.isdigit():
        raise ValueError(f"its file {_NEWEST!r} does not have the number of its newest attempt")
    return int(text)
