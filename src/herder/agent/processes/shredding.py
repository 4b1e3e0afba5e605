"""Overwrites files before they are removed: secrets on a disk, and the scratch of jobs that ask for it (`shred`).

Used by `secret_files`, `scratch` and `data/attempt`. Only the blocks that a file has now are overwritten. What the disk or the file system keeps of
earlier blocks is beyond reach (SSDs, copy-on-write, journals, snapshots). A job may have put links there, and this may be root: nothing
that has a name elsewhere is touched. Everything here blocks.
"""

import errno
import os
import stat
from contextlib import suppress

from herder.remote.folders import inside_out, open_folder

_PIECE = bytes(2**20)


def overwrite_all(folder: str) -> None:
    """Every file below; they stay. Never raises."""
    _each(folder, unlink=False)


def shred(path: str) -> None:
    """A file, or every file below a folder, is overwritten and loses its names; one with names elsewhere loses those in the folder. Folders
    and links stay. Never raises."""
    if os.path.isdir(path) and not os.path.islink(path):
        _each(path, unlink=True)
        return
    folder, name = os.path.split(path)
    with suppress(OSError):
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _shred(name, inside)
        finally:
            os.close(inside)


def _each(folder: str, *, unlink: bool) -> None:
    with suppress(OSError):
        top = open_folder(folder)
        try:
            for _, files, inside in inside_out(top):
                for name in files:
                    with suppress(OSError):
                        if not unlink:
                            overwrite(name, inside)
                        elif not stat.S_ISLNK(os.lstat(name, dir_fd=inside).st_mode):
                            _shred(name, inside)
        finally:
            os.close(top)


def _shred(name: str, inside: int) -> None:
    """The last of several names in the folder finds the file with one name, and overwrites it."""
    with suppress(OSError):
        overwrite(name, inside)
    os.unlink(name, dir_fd=inside)


def overwrite(name: str, inside: int) -> None:
    """`inside`: the descriptor of its folder. Raises OSError; of anything but a regular file with one name."""
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    try:
        what = os.fstat(found)
        if not stat.S_ISREG(what.st_mode) or what.st_nlink != 1:
            raise OSError(errno.EINVAL, "not a regular file with one name", name)
        os.chmod(f"/proc/self/fd/{found}", 0o600)
        file = os.open(f"/proc/self/fd/{found}", os.O_RDWR | os.O_CLOEXEC)
    finally:
        os.close(found)
    try:
        _fill(file, what.st_size)
        os.fsync(file)
    finally:
        os.close(file)


def _fill(file: int, size: int) -> None:
    """Where it has data: a file that is nearly all holes may be larger than its disk."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # only holes follow
                raise
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        os.lseek(file, start, os.SEEK_SET)
        while start < end:
            start += os.write(file, memoryview(_PIECE)[: end - start])
