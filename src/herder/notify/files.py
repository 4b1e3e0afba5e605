"""Files and folders that people have named, which may be on a machine that hangs: each is used in threads of its own, and waited for no longer than a deadline.

Never in the event loop's own executor: threads that do not return would fill it.
"""

import os
import stat
from collections.abc import Callable
from typing import TypeVar

from herder.model.fleet.driver import OutcomeUnknown, Unavailable
from herder.ports.calls import Calls

_T = TypeVar("_T")

TIMEOUT_S = 10.0
#: Of a file with an address or a password.
BYTES_MAX = 4096


class FileError(Exception):
    """What is wrong with a file, as a sentence without its content."""


async def on_file(calls: Calls, what: str, work: Callable[[], _T]) -> _T:
    """`what`: the file or folder, with its kind. Raises FileError when it does not answer, and what `work` raises."""
    try:
        return await calls.run(what, "use", work, deadline_s=TIMEOUT_S)
    except OutcomeUnknown:
        raise FileError(f"The {what} did not answer within {TIMEOUT_S:g} s.") from None
    except Unavailable:
        raise FileError(
            f"The {what} does not answer. It is used again when earlier calls have returned."
        ) from None


def small_text(path: str) -> str:
    """What is in a regular file, without the white space around it. Raises FileError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileError(f"The file {path} is not a regular file.")
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise FileError(
            f"The file {path} cannot be read: {error.strerror or type(error).__name__}."
        ) from None
    if len(data) > BYTES_MAX:
        raise FileError(f"The file {path} has more than {BYTES_MAX:,} bytes.")
    try:
        return data.decode().strip()
    except UnicodeDecodeError:
        raise FileError(f"The file {path} is not text in UTF-8.") from None


def _without_waiting(path: str, flags: int) -> int:
    """A FIFO would wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
