"""The file with the keys of secrets, one in each line: the first encrypts, the others still decrypt. Only its owner can read it.

Read by a server at its start, and changed by `herder admin rotate-secrets-key`. A file is replaced as a whole or not at all.
"""

import base64
import binascii
import os
import stat
from pathlib import Path

from herder.secrets.sealing import KEY_BYTES, Key, KeyRing, new_key

#: In the data folder of a server.
KEY_FILE = "secrets.key"
#: A file of keys is small.
_BYTES_MAX = 64 * 1024


class KeyFileError(Exception):
    """The file cannot be used. `hint` is the remedy."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def read_or_make(path: Path) -> KeyRing:
    """A file that does not exist is made, with a new key. Raises KeyFileError."""
    if path.exists():
        return read_keys(path)
    ring = KeyRing((new_key(),))
    write_keys(path, ring)
    return ring


def read_keys(path: Path) -> KeyRing:
    """Raises KeyFileError."""
    try:
        with path.open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise KeyFileError(
                    f"{path} contains keys of secrets and can be read by others (mode {mode:04o}).",
                    f"Run `chmod 600 {path}`.",
                )
            text = file.read(_BYTES_MAX)
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from None
    keys = tuple(_key(path, number, line) for number, line in enumerate(text.split(), 1))
    if not keys:
        raise KeyFileError(
            f"{path} is empty, but the secrets of users are encrypted with its keys.",
            "Restore a copy. If there is none, delete the file; secrets must then be set again.",
        )
    return KeyRing(keys)


def write_keys(path: Path, ring: KeyRing) -> None:
    """With mode 0600 from the first byte on, and on the disk before the old file is replaced. Raises KeyFileError."""
    draft = path.with_name(path.name + ".new")
    lines = "".join(base64.b64encode(key.content).decode() + "\n" for key in ring.keys)
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unusable(path, error) from None


def _key(path: Path, number: int, line: str) -> Key:
    try:
        content = base64.b64decode(line, validate=True)
    except binascii.Error:
        content = b""
    if len(content) != KEY_BYTES:
        raise KeyFileError(
            f"{path}, line {number}, is not a key of secrets.",
            f"A key is {KEY_BYTES} random bytes in base64; `openssl rand -base64 {KEY_BYTES}` makes one.",
        )
    return Key(content)


def _unusable(path: Path, error: OSError | UnicodeDecodeError) -> KeyFileError:
    why = error.strerror if isinstance(error, OSError) else "it is not a text file"
    return KeyFileError(
        f"Cannot read or write {path}: {why}.", "Check its permissions and the free space on its disk."
    )
