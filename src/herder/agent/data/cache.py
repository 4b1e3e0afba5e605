"""The cache of inputs of one worker: files that came over the network, kept for the next attempts of the same user. Used by `downloads`.

Who asks for a file still asks its server first, which says whether the job may read it and which version it has; only the content is
spared. A file is copied in and out, so no job can change what another one finds; file systems that share blocks (XFS, Btrfs) do not
double it. A file has its name only when it is whole. A machine that went down may have lost what was not written by then, so what is
there from before a boot is removed. Everything here may be called by several threads, and blocks.
"""

import hashlib
import logging
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from herder.agent.data.local import copy
from herder.agent.environment.clock import nonce
from herder.agent.machine.clean_up import CACHED_INPUTS
from herder.model.values.phrases import clause

_LOG = logging.getLogger(__name__)
#: The default bound, of the file system of the work folder.
DEFAULT_PART = 0.1
#: So much of the file system stays free: jobs come before the cache.
FREE_PART = 0.1
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_MIB = 2**20
Check = Callable[[], None]


class InputCache:
    """`most_mib`: the bound; None: a tenth of the file system; 0: there is no cache."""

    def __init__(self, work_folder: Path, most_mib: int | None) -> None:
        self._root = work_folder / CACHED_INPUTS
        self._folder = self._root / _boot()
        self._most_mib = most_mib
        self._files: OrderedDict[str, int] | None = None
        """Sizes by name, the one that was not used for longest first; None: not looked at yet."""
        self._coming: dict[str, int] = {}
        """Sizes of those that are being written."""
        self._lock = threading.Lock()

    @property
    def on(self) -> bool:
        return self._most_mib != 0

    def take(self, name: str, size: int, target: int, check: Check) -> bool:
        """Whether the file was here, and is in `target` now. Raises OSError of the target, and what `check` raises."""
        with self._lock:
            files = self._known()
            if files.get(name) != size:
                return False
            files.move_to_end(name)
        try:
            source = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            self.forget(name)
            return False
        try:
            os.utime(source)  # the order after a restart of the agent
            os.ftruncate(target, 0)
            os.lseek(target, 0, os.SEEK_SET)
            if copy(source, target, check) == size:
                return True
        finally:
            os.close(source)
        self.forget(name)
        return False

    def put(self, name: str, size: int, source: int, check: Check) -> bool:
        """Whether it is here now. What keeps it out costs no attempt. Raises what `check` raises."""
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with self._lock:
                if name in self._known():
                    return True
                if name in self._coming or not self._make_room(size):
                    return False
                self._coming[name] = size
            self._write(name, size, source, check)
        except OSError as error:
            _LOG.info("An input of %s bytes was not cached: %s.", f"{size:,}", clause(error))
            return False
        return True

    def forget(self, name: str) -> None:
        """What is not as it should be."""
        with self._lock:
            self._remove(name)

    def empty(self) -> bool:
        """Whether there was something: jobs need the disk."""
        with self._lock:
            there = list(self._known())
            for name in there:
                self._remove(name)
        return bool(there)

    def close(self) -> None:
        """Removes it."""
        with self._lock:
            self._files = OrderedDict()
            shutil.rmtree(self._root, ignore_errors=True)

    # --- inside, with the lock

    def _known(self) -> "OrderedDict[str, int]":
        """With what an agent before this one has left, if the machine has not been down since."""
        if self._files is not None:
            return self._files
        self._files = OrderedDict()
        found = []
        for each in _entries(self._root):
            if each.path != str(self._folder):
                shutil.rmtree(each.path, ignore_errors=True)
        for each in _entries(self._folder):
            with suppress(OSError):
                if each.name.startswith("part."):
                    os.unlink(each.path)
                    continue
                about = each.stat(follow_symlinks=False)
                found.append((about.st_mtime_ns, each.name, about.st_size))
        self._files.update((name, size) for _, name, size in sorted(found))
        return self._files

    def _make_room(self, size: int) -> bool:
        """Raises OSError."""
        disk = os.statvfs(self._folder)
        most = disk.f_blocks * disk.f_frsize * DEFAULT_PART
        if self._most_mib is not None:
            most = self._most_mib * _MIB
        spare = (disk.f_bavail - disk.f_blocks * FREE_PART) * disk.f_frsize
        files, coming = self._known(), sum(self._coming.values())
        if size + coming > most or size > spare + sum(files.values()):
            return False
        while files and (sum(files.values()) + coming + size > most or size > spare):
            spare += self._remove(next(iter(files)))
        return True

    def _remove(self, name: str) -> int:
        size = self._known().pop(name, 0)
        with suppress(OSError):
            os.unlink(self._folder / name)
        return size

    # --- without it

    def _write(self, name: str, size: int, source: int, check: Check) -> None:
        part = self._folder / f"part.{nonce()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            target = os.open(part, flags, 0o600)
            try:
                os.lseek(source, 0, os.SEEK_SET)
                copied = copy(source, target, check)
            finally:
                os.close(target)
            if copied != size:
                raise OSError(f"{copied:,} of {size:,} bytes were copied")
            with self._lock:
                os.rename(part, self._folder / name)
                self._known()[name] = size
        finally:
            with self._lock:
                self._coming.pop(name)
            with suppress(OSError):
                os.unlink(part)


def name_of(place: str, version: str, size: int) -> str:
    """`place`: whose it is and where it comes from."""
    return hashlib.sha256(f"{place}\0{version}\0{size}".encode()).hexdigest()


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _boot() -> str:
    """The same from boot to boot; where the kernel does not say it, another for each process, and no restart finds anything."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return f"process-{os.getpid()}"
