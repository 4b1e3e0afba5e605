"""Reads the bytes and the text of a file, a pipe or stdin. Called by every reader; knows no format.

A byte order mark is taken off, UTF-16 and UTF-32 with one are read, gzip is known by its first bytes. A file is opened once and read
forwards only, so a pipe is as good as a file. Nothing is replaced: bytes that are no text raise `Unreadable`.
"""

import codecs
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from herder.model.values.phrases import clause

STDIN = "-"
#: Read at once to find out what a file is. Headers of the Standard Workload Format have some hundred lines.
HEAD_BYTES = 64 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GZIP = b"\x1f\x8b"
_SAVE = "Save the file as UTF-8."
#: What reading a damaged file raises.
DAMAGED = (OSError, EOFError, zlib.error)


class Unreadable(ValueError):
    """What stands at a place of a file cannot be read as it is."""

    def __init__(self, line: int, column: int, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.line = line
        self.column = column
        self.message = message
        self.remedy = remedy

    def within(self, file: str) -> str:
        return f"{file}:{self.line}:{self.column}: {self.message} {self.remedy}"


@dataclass(slots=True, kw_only=True)
class Opened:
    """A file that was opened: its first bytes without a byte order mark, and after them the rest."""

    head: bytes
    codec: str
    _rest: BinaryIO

    def head_text(self) -> str:
        """The beginning, for finding out the format; what is cut off or no text at its end is left away."""
        return self.head.decode(self.codec, "ignore")

    def data(self) -> bytes:
        return self.head + self._rest.read()

    def text(self) -> str:
        return decoded(self.data(), self.codec)

    def stream(self) -> BinaryIO:
        return io.BufferedReader(_Chained(self.head, self._rest), HEAD_BYTES)


class _Chained(io.RawIOBase):
    """Bytes that were read already, then the rest."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        size = len(buffer)
        piece: bytes | memoryview = self._head[:size] or self._rest.read(size)
        self._head = self._head[size:]
        buffer[: len(piece)] = piece
        return len(piece)


@contextmanager
def opened(path: str | Path) -> Iterator[Opened]:
    """`-` is stdin. Raises OSError, and what DAMAGED names while it is read."""
    if str(path) == STDIN:
        yield _begin(io.BufferedReader(cast(io.RawIOBase, _stdin())))
        return
    with Path(path).open("rb") as raw:
        yield _begin(raw)


def _stdin() -> BinaryIO:
    buffer = getattr(sys.stdin, "buffer", None)
    return buffer if buffer is not None else io.BytesIO(sys.stdin.read().encode())


def _begin(raw: io.BufferedReader) -> Opened:
    packed = raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw) if packed else raw)
    head = b""
    while len(head) < HEAD_BYTES and (piece := stream.read(HEAD_BYTES - len(head))):
        head += piece
    codec, mark = encoding_of(head)
    if codec == "utf-8" and (at := head.find(b"\0")) >= 0:
        line, column = _place(head, at, codec)
        raise Unreadable(
            line,
            column,
            "The file contains a NUL byte: it is not text, or UTF-16 without a byte order mark.",
            f"{_SAVE}",
        )
    return Opened(head=head[mark:], codec=codec, _rest=stream)


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding, and how many bytes its mark has."""
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec, len(mark)
    return "utf-8", 0


def read_text(path: str | Path) -> str:
    """All of a file, or of stdin. Raises Unreadable and OSError."""
    try:
        with opened(path) as file:
            return file.text()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged(error) from None


def damaged(error: Exception) -> Unreadable:
    return Unreadable(1, 1, f"The file is damaged: {clause(error)}.", "Restore or download the file again.")


def decoded(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        line, column = _place(data, error.start, codec)
        raise no_text(line, column, data[error.start : error.start + 1], codec) from None


def no_text(line: int, column: int, byte: bytes, codec: str) -> Unreadable:
    return Unreadable(line, column, f"The byte 0x{byte.hex()} is not valid {codec.upper()}.", _SAVE)


def _place(data: bytes, at: int, codec: str) -> tuple[int, int]:
    before = data[:at].decode(codec, "ignore")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def text_stream(file: Opened) -> TextIO:
    """Lines that end at a newline and nowhere else. A byte that is no text stands in them as a lone surrogate: see `fault_of`."""
    if file.codec != "utf-8":
        return io.StringIO(file.text(), newline="\n")
    return io.TextIOWrapper(file.stream(), encoding="utf-8", errors="surrogateescape", newline="\n")


def fault_of(line: str, number: int) -> Unreadable | None:
    """What is no text in a line of `text_stream`. Quick for lines in ASCII; callers ask for the others only."""
    try:
        line.encode()
    except UnicodeEncodeError as error:
        return no_text(number, error.start + 1, bytes([ord(line[error.start]) & 0xFF]), "utf-8")
    return None


def lines_of(file: Opened) -> Iterator[str | Unreadable]:
    """Each line with its end. A line that is no text is told in its place."""
    for number, line in enumerate(text_stream(file), start=1):
        yield line if line.isascii() else fault_of(line, number) or line
