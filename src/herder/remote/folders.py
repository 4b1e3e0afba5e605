"""Folders that jobs have filled, walked and removed however deep they are: Python's own functions end where its recursion does, about 1,000
levels down, and paths where the system's longest does.

Used by the agent and by the driver that starts agents on this machine. Links are not followed, whoever swaps what. Everything here blocks.
"""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

#: What is deeper is moved up, so that few descriptors are open.
LEVELS = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_folder(path: str, at: int | None = None, entries_most: int | None = None) -> OSError | None:
    """With all that is in it, also when its rights were taken away. A fault; None: it is gone. Never raises. `at`: the descriptor of the folder
    that it is in. `entries_most`: after so many it ends, with ENOTEMPTY."""
    fault: OSError | None = None
    try:
        top = open_folder(path, at)
        try:
            for number, (name, inside, is_folder) in enumerate(entries(top)):
                if number == entries_most:
                    break
                fault = _removed(name, inside, folder=is_folder) or fault
        finally:
            os.close(top)
    except FileNotFoundError:
        return None
    except OSError as error:
        return fault or error
    return fault or _removed(path, at, folder=True)


def inside_out(top: int) -> Iterator[tuple[list[str], list[str], int]]:
    """Folders, everything else, and the descriptor of the folder that they are in; what is in a folder comes before it. The folders are for removing: those
    far below are moved to the top. What cannot be opened is left out."""
    moved = deque[str]()
    names = map(f".{os.urandom(6).hex()}.{{}}".format, count())
    yield from _below(top, top, 0, names, moved)
    while moved:
        name = moved.popleft()
        with suppress(OSError):
            inner = open_folder(name, top)
            try:
                yield from _below(inner, top, 1, names, moved)
            finally:
                os.close(inner)
        yield [name], [], top


def entries(top: int) -> Iterator[tuple[str, int, bool]]:
    """One by one: its name, the descriptor of its folder, and whether it is one."""
    for folders, files, inside in inside_out(top):
        yield from ((name, inside, False) for name in files)
        yield from ((name, inside, True) for name in folders)


def open_folder(path: str, at: int | None = None) -> int:
    """A job may have taken its own rights to it away. Raises OSError, also for a link."""
    found = os.open(path, os.O_PATH | _FOLDER, dir_fd=at)
    try:
        with suppress(PermissionError):  # of a folder of somebody else, which may be readable
            os.chmod(f"/proc/self/fd/{found}", 0o700)
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(found)


def _below(
    folder: int, top: int, level: int, names: Iterator[str], moved: deque[str]
) -> Iterator[tuple[list[str], list[str], int]]:
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as found:
        for each in found:
            (folders if each.is_dir(follow_symlinks=False) else files).append(each.name)
    left = []
    for name in folders:
        left.append(name)
        with suppress(OSError):
            inner = open_folder(name, folder)
            try:
                if level < LEVELS:
                    yield from _below(inner, top, level + 1, names, moved)
                    continue
            finally:
                os.close(inner)
            target = next(names)
            os.rename(name, target, src_dir_fd=folder, dst_dir_fd=top)
            moved.append(target)
            left.pop()
    yield left, files, folder


def _removed(name: str, inside: int | None, *, folder: bool) -> OSError | None:
    try:
        os.rmdir(name, dir_fd=inside) if folder else os.unlink(name, dir_fd=inside)
    except FileNotFoundError:
        pass
    except OSError as error:
        return error
    return None
