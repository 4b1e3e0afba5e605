"""Finds what a job has written of its outputs, and copies each file to where it is to be kept.

Everything here blocks, and runs in the threads of `transfers`. A file of this machine is written beside its target and renamed; an object
store shows an object only when it is whole.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from herder.agent.data import local
from herder.agent.data.downloads import PART, Check, sum_of
from herder.agent.environment.clock import nonce
from herder.remote.object_stores.opening import DataFault, DataLater, plain, told
from herder.wire.data import DataPath, WrittenFile, folder_of, is_pattern, url_below

if TYPE_CHECKING:
    from obstore.store import ObjectStore

#: Little, since who reads slowly is to be left between two.
_CHUNK = 2**16
_CONNECT_S, _STALLED_S = 5.0, 60.0
#: A single PUT to an object store; more needs the worker's own credentials.
PUT_BYTES_MAX = 5 * 2**30


def written(folder: str, owner: int | None, outputs: Sequence[DataPath], *, lax: bool) -> list[WrittenFile]:
    """The files of all outputs, with their sizes. `lax`: what is not there is left out. Raises DataFault or OSError."""
    out: list[WrittenFile] = []
    for place, each in enumerate(outputs):
        try:
            out.extend(_of_one(folder, owner, place, each))
        except DataFault:
            if not lax:
                raise
    return out


def inside(output: DataPath, name: str) -> str:
    """Where a file of an output is in the job's folder."""
    path = output.path.removeprefix("./")
    return (folder_of(path) + name) if is_pattern(path) or path.endswith("/") or not path else path


def target_of(output: DataPath, name: str) -> str:
    """Its URL. Raises DataFault."""
    try:
        return url_below(output.url, name)
    except ValueError as error:
        raise DataFault(f"A file of the output {output.path} cannot be named: {error}.") from None


def _of_one(folder: str, owner: int | None, place: int, output: DataPath) -> Iterator[WrittenFile]:
    path = output.path.removeprefix("./")
    if not (is_pattern(path) or path.endswith("/") or not path):
        name = path.rpartition("/")[2] if output.url.endswith("/") else ""
        yield WrittenFile(output=place, name=name, size=_size(folder, path, owner))
        return
    prefix = folder_of(path)
    top = local.own_folder(folder, prefix)
    names: list[str] = []
    if top is not None:
        try:
            names = local.named_by(top, path.removeprefix(prefix) if is_pattern(path) else "")
        finally:
            os.close(top)
    if not names:
        raise DataFault(f"The job has written nothing that is its output {output.path}.")
    for name in names:
        yield WrittenFile(output=place, name=name, size=_size(folder, prefix + name, owner))


def _size(folder: str, path: str, owner: int | None) -> int:
    descriptor = local.open_own(folder, path, owner)
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def to_folder(source: int, path: str, mark: str, folders: Sequence[str], check: Check) -> None:
    """To a file of this machine. `mark`: of the attempt, in the name of the part. Raises DataFault or OSError."""
    above, _, name = path.rpartition("/")
    with _partly(above, mark, folders) as (folder, part, descriptor):
        local.copy(source, descriptor, check)
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)


class _partly:  # noqa: N801 - used as a function
    """A part file in a folder that may be written; it is gone at the end, if it was not renamed."""

    def __init__(self, above: str, mark: str, folders: Sequence[str]) -> None:
        self._folder = local.folder_allowed(above or "/", folders)
        self._part = f".{mark}.{nonce()}{PART}"

    def __enter__(self) -> tuple[int, str, int]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self._part, flags, 0o644, dir_fd=self._folder)
        except BaseException:
            os.close(self._folder)
            raise
        return self._folder, self._part, self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        with suppress(OSError):
            os.unlink(self._part, dir_fd=self._folder)
        os.close(self._folder)


def create_in_folder(content: bytes, path: str, mark: str, folders: Sequence[str]) -> bool:
    """Whether it was made; False: there is one already. Whole or not at all. Raises DataFault or OSError."""
    above, _, name = path.rpartition("/")
    with _partly(above, mark, folders) as (folder, part, descriptor):
        os.write(descriptor, content)
        os.fsync(descriptor)
        try:
            os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileExistsError:
            return False
    return True


def to_store(source: int, store: "ObjectStore", key: str, shown: str) -> None:
    """With the worker's own credentials; large files in parts. Raises DataFault, DataLater."""
    import obstore

    with os.fdopen(os.dup(source), "rb") as file, told(shown):
        obstore.put(store, key, file)


def to_address(source: int, url: str, shown: str, check: Check) -> None:
    """With PUT. Raises DataFault, DataLater."""
    size = os.fstat(source).st_size
    if size > PUT_BYTES_MAX:
        raise DataFault(
            f"{plain(shown)} would have {size:,} bytes; with a signed URL {PUT_BYTES_MAX:,} can be written. "
            "Use workers with credentials of their own (HERDER_DATA_CREDENTIALS=worker)."
        )
    import httpx  # only jobs with such outputs need it

    headers = {
        "content-length": str(size),
        "x-ms-blob-type": "BlockBlob",
    }  # Azure wants to know; others do not read it
    timeout = httpx.Timeout(_STALLED_S, connect=_CONNECT_S)
    try:
        answer = httpx.put(url, content=_pieces(source, size, check), headers=headers, timeout=timeout)
    except httpx.HTTPError as error:
        raise DataLater(f"{plain(shown)} cannot be written: {type(error).__name__}.") from None
    status = answer.status_code
    if status < 300:
        return
    wording = f"{plain(shown)} cannot be written. The store answered HTTP {status} {answer.reason_phrase}."
    if 400 <= status < 500 and status not in (403, 408, 425, 429):  # 403: the signature may be too old
        raise DataFault(wording)
    raise DataLater(wording)


def _pieces(source: int, size: int, check: Check) -> Iterator[bytes]:
    os.lseek(source, 0, os.SEEK_SET)
    while size > 0:
        piece = os.read(source, min(_CHUNK, size))
        if not piece:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        size -= len(piece)
        yield piece
        check()


def summed(source: int, file: WrittenFile, check: Check) -> WrittenFile:
    """With its sum and its size as they are now."""
    digest = sum_of(source, check)
    return WrittenFile(output=file.output, name=file.name, size=os.fstat(source).st_size, sha256=digest)
