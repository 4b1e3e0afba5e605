"""The checkpoint folder of a job, which its attempts find again: in a folder that its workers share, removed when the job has succeeded.

Used by `attempt`. What attempts write is in `files`; the folder around it is this agent's, so that no job swaps anything for a link while the
agent, which may be root, gives it away or removes it. An attempt that was lost may succeed after the next one has begun: only the newest
attempt removes the folder. Everything here blocks.
"""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from herder.agent.data.local import folder_allowed
from herder.agent.processes.run_as import Identity
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
    faults: list[str] = []
    name = checkpoint_name(data, job)
    try:
        with _above(data, allowed) as above:
            if _newest(name, above) == attempt:
                shutil.rmtree(name, dir_fd=above, onerror=lambda _, path, __: faults.append(path))
    except OSError as error:
        faults.append(error.strerror or errno.errorcode.get(error.errno or 0, ""))
    except (DataFault, ValueError) as error:
        faults.append(str(error))
    return f"Its checkpoint folder {name} could not be removed: {faults[0]}." if faults else ""


@contextmanager
def _above(data: JobData, allowed: Sequence[str]) -> Iterator[int]:
    above = folder_allowed(f"/{read_url(data.checkpoint).key}", allowed)
    try:
        yield above
    finally:
        os.close(above)


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
    """Renamed into its place: it is never half written."""
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
        file = os.open(_NEWEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer)
    finally:
        os.close(outer)
    try:
        text = os.read(file, 20)
    finally:
        os.close(file)
    if not text.isdigit():
        raise ValueError(f"its file {_NEWEST!r} does not have the number of its newest attempt")
    return int(text)
