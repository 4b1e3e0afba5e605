"""The scratch folder of one attempt and the files beside it. Created before the start and removed after the end, by the process runtime.

The folder is the attempt's own; its output and result lie beside it so that no file of a job can get in their way. Everything an
attempt may have put there is read with care: a result may be a pipe or a link to anything, or nested without an end. With another
identity the folder belongs to that one, and the result lies in a second folder of its own.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from herder.agent.environment.settings import AgentSettings
from herder.agent.processes.run_as import Identity
from herder.agent.processes.secret_files import SecretPlace, owner_of
from herder.agent.processes.shredding import shred
from herder.model.values.phrases import clause
from herder.remote.folders import remove_folder as remove_tree
from herder.wire.api.secrets import Delivered
from herder.wire.file_names import parts_of
from herder.wire.nesting import LEVELS_MAX, nested_too_deeply
from herder.wire.worker.exchange import NO_RESULT, PARENTS_FILE

#: Of a scratch folder, files that are removed at once. More would hold up the other attempts of the agent.
FEW_FILES = 500


class BadInput(ValueError):
    """An input file's name leads out of the scratch folder, or cannot be a name."""


def make_work_folder(settings: AgentSettings) -> None:
    """Also when somebody has removed it. Others may pass through it only if attempts run as somebody else. Raises OSError."""
    folder = settings.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.run_as:
        found = folder.lstat()
        if found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode):
            raise PermissionError(errno.EPERM, "it belongs to another user", str(folder))
        folder.chmod(0o711)


def staged_folder(root: Path, job: int, attempt: int) -> str:
    """Where inputs by URL wait for their attempt's folder."""
    return f"{root}/{job}-{attempt}.data"


class Scratch:
    __slots__ = (
        "_identity",
        "_keep",
        "_result_folder",
        "_result_most",
        "_secret_place",
        "_shared",
        "_shred",
        "_slowly",
        "folder",
        "output",
        "result_path",
        "secrets_folder",
    )

    def __init__(
        self,
        root: Path,
        job: int,
        attempt: int,
        result_most_bytes: int,
        identity: Identity | None = None,
        *,
        shared: bool = False,
        keep: bool = False,
        shred: bool = False,
    ) -> None:
        """Raises OSError. `output` is open for reading and appending until `close`. `shared`: a container gets it, with the result in a
        folder of its own and whatever user its image has. `keep`: its inputs may have been staged, and its folder is left to who copies its
        outputs. `shred`: its files are overwritten before they are removed."""
        base = f"{root}/{job}-{attempt}"
        self.folder = base
        self._identity = identity
        self._shared = shared
        self._keep = keep
        self._shred = shred
        self._slowly: threading.Thread | None = None
        """Overwrites its files, or removes many."""
        self._result_folder = base + ".d" if identity is not None or shared else None
        self.result_path = f"{self._result_folder}/result.json" if self._result_folder else base + ".json"
        self._result_most = result_most_bytes
        self._secret_place: SecretPlace | None = None
        self.secrets_folder = ""
        """Of an attempt that has secrets as files."""
        os.mkdir(base, 0o700)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            self.output = os.open(base + ".out", flags, 0o600)
        except OSError:
            os.rmdir(base)
            raise

    def prepare(self, inputs: dict[str, str], parents_path: str | None) -> None:
        """Everything that the attempt finds there. Raises BadInput or OSError."""
        if self._keep:
            with suppress(FileNotFoundError):  # no inputs by URL
                os.rename(self.folder + ".data", self.folder)
        self._write_inputs(inputs)
        if parents_path is not None:
            os.rename(parents_path, os.path.join(self.folder, PARENTS_FILE))
        if self._result_folder is None:
            return
        os.mkdir(self._result_folder, 0o700)
        if self._identity is None:
            self._open_to_all(self._result_folder)
            return
        os.chown(self._result_folder, self._identity.uid, self._identity.gid)
        for folder, names, files in os.walk(self.folder):
            for path in (folder, *(os.path.join(folder, name) for name in (*names, *files))):
                os.chown(path, self._identity.uid, self._identity.gid, follow_symlinks=False)

    def put_secrets(
        self, place: SecretPlace, job: int, attempt: int, values: Sequence[Delivered], user: str = ""
    ) -> None:
        """Files elsewhere, which are removed with this folder. `user`: of a container. Raises OSError."""
        files = [each for each in values if each.file]
        if not files:
            return
        who = self._identity
        owner = owner_of(user) if who is None else (who.uid, who.gid)
        self.secrets_folder = place.write(job, attempt, files, owner, shared=self._shared)
        self._secret_place = place

    def _open_to_all(self, result_folder: str) -> None:
        """Inside the work folder, through which nobody else may pass."""
        os.chmod(result_folder, 0o777)
        for folder, _, files in os.walk(self.folder):
            os.chmod(folder, 0o777)
            for name in files:
                path = os.path.join(folder, name)
                os.chmod(path, 0o755 if os.access(path, os.X_OK) else 0o644)

    def _write_inputs(self, inputs: dict[str, str]) -> None:
        for name, text in inputs.items():
            path = Path(self.folder, *_parts_of(name))
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(text)
            if text.startswith("#!"):
                path.chmod(0o700)

    def result(self) -> tuple[msgspec.Raw, str]:
        """The result that the attempt left, and what is wrong with it (then there is none)."""
        try:
            owner = self._identity.uid if self._identity is not None else None
            content = _read_regular(self.result_path, self._result_most + 1, owner)
        except FileNotFoundError:
            return NO_RESULT, ""
        except OSError as error:
            return NO_RESULT, f"The result cannot be read: {error.strerror}."
        if content is None:
            return NO_RESULT, "The result is not a regular file of this job."
        if len(content) > self._result_most:
            return NO_RESULT, f"The result is larger than {self._result_most:,} bytes and was not kept."
        if nested_too_deeply(content):
            return (
                NO_RESULT,
                f"The result is nested more than {LEVELS_MAX} levels deep and was not kept.",
            )
        try:
            msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return NO_RESULT, f"The result is not JSON and was not kept: {clause(error)}."
        return msgspec.Raw(content), ""

    def size_bytes(self, entries_most: int) -> int:
        """What the attempt occupies on disk, output included; looks at no more than `entries_most` files."""
        total = os.fstat(self.output).st_blocks * 512
        folders = [self.folder, self._result_folder] if self._result_folder else [self.folder]
        while folders and entries_most > 0:
            with suppress(OSError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    entries_most -= 1
                    with suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
        return total

    def close(self) -> None:
        os.close(self.output)

    @property
    def busy(self) -> bool:
        """Its files are being overwritten, or removed: it may take long until it is gone."""
        return self._slowly is not None and self._slowly.is_alive()

    def remove(self, *, wait: bool = False) -> bool:
        """Whether it is gone: a process that dies at this moment may still write. May be called again. `wait`: also for what takes long."""
        if self._secret_place is not None and not self._secret_place.remove(self.secrets_folder):
            return False
        beside = (self.folder + ".out", self._result_folder or self.result_path)
        if self._shred and self._slowly is None:
            paths = beside if self._keep else (self.folder, *beside)
            self._start(_shred_all, paths)
        if self._slowly is not None and wait:
            self._slowly.join()
        if self.busy:
            return False
        folders = [] if self._keep else [self.folder]
        for path in beside:
            try:
                os.unlink(path)
            except IsADirectoryError:
                folders.append(path)
            except OSError:
                continue
        if all(remove_folder(each, None if wait else FEW_FILES) for each in folders):
            return True
        if self._slowly is None:
            self._start(_remove_all, folders)
        return False

    def _start(self, work: Callable[[Sequence[str]], None], paths: Sequence[str]) -> None:
        self._slowly = threading.Thread(target=work, args=(paths,), name="herder-scratch", daemon=True)
        self._slowly.start()


def _shred_all(paths: Sequence[str]) -> None:
    for each in paths:
        shred(each)
    _remove_all(paths)


def _remove_all(paths: Sequence[str]) -> None:
    for each in paths:
        with suppress(OSError):  # whoever looks for it finds it
            remove_folder(each)


def remove_folder(folder: str, entries_most: int | None = None) -> bool:
    """Whether it is gone, with all that a job may have put into it or in its place; `entries_most`: of that. Raises OSError."""
    try:
        os.rmdir(folder)  # nearly always empty
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        os.unlink(folder)
    except OSError:
        return remove_tree(folder, entries_most=entries_most) is None
    return True


def _read_regular(path: str, most_bytes: int, owner: int | None) -> bytes | None:
    """None when it is no regular file, or one of somebody else. Never waits: a pipe without a writer would hold up the whole agent."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or (owner is not None and found.st_uid != owner):
            return None
        pieces: list[bytes] = []
        while most_bytes > 0 and (piece := os.read(descriptor, most_bytes)):
            pieces.append(piece)
            most_bytes -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def _parts_of(name: str) -> list[str]:
    parts = parts_of(name)
    if parts is None:
        raise BadInput(
            f"{name!r} is not a valid name of an input file. Use a relative path without '..', such as data/in.txt."
        )
    return parts
