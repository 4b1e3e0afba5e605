"""The files with secrets of attempts: in memory where that is possible, for one attempt each, and removed at its end.

Used by `scratch`. They lie in a folder of this agent's below /dev/shm, which is memory (tmpfs). Where that is not there, they lie in the
work folder and are overwritten before they are removed. An agent that was killed cannot remove its folder: the next one on this machine
does, because the dead one's lock on it is gone.
"""

import fcntl
import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from herder.agent.processes.run_as import Identity
from herder.agent.processes.shredding import overwrite_all
from herder.remote.folders import remove_folder
from herder.wire.api.secrets import Delivered
from herder.wire.worker import startup

_LOG = logging.getLogger(__name__)
_MEMORY = Path("/dev/shm")
_PREFIX = "herder-secrets-"


class SecretPlace:
    """The folder of one runtime. It is made with the first secret."""

    def __init__(self, work_folder: Path, identity: Identity | None = None, memory: Path = _MEMORY) -> None:
        self._work_folder, self._identity, self._memory = work_folder, identity, memory
        self._folder: Path | None = None
        self._lock = -1
        self.in_memory = False

    def write(
        self,
        job: int,
        attempt: int,
        values: Sequence[Delivered],
        owner: tuple[int, int] | None,
        *,
        shared: bool,
    ) -> str:
        """The folder for the attempt. `owner`: (uid, gid) of its process, where that is known. `shared`: that of a container that may have any
        user: files are readable to all who come to the folder, and nobody else can. Raises OSError."""
        folder = self._opened() / f"{job}-{attempt}"
        folder.mkdir(mode=0o700)
        try:
            for each in values:
                _write(folder, each)
            _give(folder, owner, shared=shared)
        except OSError:
            self.remove(str(folder))
            raise
        return str(folder)

    def remove(self, folder: str) -> bool:
        """Whether it is gone. Never raises."""
        if not self.in_memory:
            overwrite_all(folder)
        remove_folder(folder)
        return not os.path.lexists(folder)

    def close(self) -> None:
        if self._folder is not None:
            self.remove(str(self._folder))
            self._folder = None
            os.close(self._lock)

    def _opened(self) -> Path:
        """Also when somebody has removed it. Raises OSError."""
        if self._folder is not None and self._folder.is_dir():
            return self._folder
        self.close()
        self.in_memory = is_memory(self._memory) and os.access(self._memory, os.W_OK | os.X_OK)
        above = self._memory if self.in_memory else self._work_folder
        if self.in_memory:
            remove_left_over(above)
        else:
            _LOG.warning(
                "This agent cannot keep files of secrets in memory (%s); they are on the disk below %s.",
                self._memory,
                above,
            )
        self._folder = folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        if self._identity is not None:
            folder.chmod(0o711)
        return folder


def variables_of(values: Sequence[Delivered], folder: str) -> dict[str, str]:
    """`folder`: where the attempt finds its files; empty: it has none."""
    found = {each.env: each.value.decode() for each in values if each.env}
    return found | {startup.SECRETS: folder} if folder else found


def owner_of(user: str) -> tuple[int, int] | None:
    """The ids that a container's user has on this machine; None: not known, or files cannot be given to it."""
    uid, _, gid = ("0:0" if user == "root" else user).partition(":")
    if os.geteuid() != 0 or not uid.isdecimal() or not (gid or uid).isdecimal():
        return None
    return int(uid), int(gid or uid)


def is_memory(folder: Path) -> bool:
    """Whether it is the root of a tmpfs."""
    try:
        mounts = Path("/proc/self/mounts").read_text()
    except OSError:
        return False
    kinds = [line.split()[2] for line in mounts.splitlines() if line.split()[1:2] == [str(folder)]]
    return kinds[-1:] == ["tmpfs"]


def remove_left_over(above: Path) -> None:
    """Folders of agents of this user that run no more. One that was made this very moment has no lock yet, so it is not touched while it is
    empty."""
    for folder in above.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.geteuid() or not any(folder.iterdir()):
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_folder(str(folder))
                _LOG.warning("Files of secrets that an agent left in %s were removed.", folder)
            finally:
                os.close(descriptor)


def _write(folder: Path, value: Delivered) -> None:
    path = folder / value.file
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o400), "wb") as file:
        file.write(value.value)


def _give(folder: Path, owner: tuple[int, int] | None, *, shared: bool) -> None:
    for inside, _, files in os.walk(folder):
        for path in (inside, *(os.path.join(inside, name) for name in files)):
            if owner is not None:
                os.chown(path, *owner, follow_symlinks=False)
            elif shared:
                os.chmod(path, 0o755 if path == inside else 0o444)
