"""Makes the three standard streams safe: closed, full, a broken pipe, or unable to encode a character.

Called by `main.run` before anything else and after everything. A closed descriptor is filled, so that no file or socket gets
its number and is written to by mistake.
"""

import errno
import io
import os
import sys
from contextlib import suppress

#: What writing to a stream may say that is no fault of ours.
_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EBADF, errno.EIO, errno.EFBIG, errno.ENXIO})


class ClosedStream(io.TextIOBase):
    """In the place of an output that was closed before we began (`>&-`): whoever writes hears of it."""

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "the stream is closed")

    def writable(self) -> bool:
        return True


def prepare() -> None:
    """Give every stream something behind it, and let no character fail to be shown."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or io.StringIO("")
    sys.stdout = sys.stdout or ClosedStream()
    sys.stderr = sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError, ValueError):
                stream.reconfigure(errors="backslashreplace")


def cannot_write(error: OSError) -> bool:
    """Whether it says that an output cannot be written; of a file it would name it."""
    return error.filename is None and error.errno in _CANNOT_WRITE


def detach() -> None:
    """What could not be written stays unwritten: the interpreter must not try again, and complain, at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                hole = os.open(os.devnull, os.O_WRONLY)
                os.dup2(hole, stream.fileno())
                os.close(hole)
