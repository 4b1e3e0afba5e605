"""Reads the output file of one attempt as it grows, in chunks of text. Used by the process runtime.

Chunks never split a character; invalid bytes become U+FFFD and NUL is dropped, since databases and terminals want neither.
Offsets count the UTF-8 bytes of the text already given out, so chunks join without gaps and a repeat is recognised.
Of output beyond the limit the head and the tail are kept: what comes after the head stays in the file until the attempt ends. Space in
the file is given back, so that a chatty job cannot fill the disk.
"""

import codecs
import os

from herder.agent.processes.redaction import Redaction
from herder.wire.worker.exchange import LogChunk

_PIECE = 64 * 1024
_SHORTEN_AT = 8 * 2**20
#: Of the limit, what is kept of the end, where errors are told: a quarter. The head goes out while the attempt runs.
_TAIL_PART = 4
#: The tail begins with a whole line, when one begins within so many bytes.
_LINE_MOST = 4096


class Output:
    __slots__ = (
        "_attempt",
        "_decoder",
        "_descriptor",
        "_given_back",
        "_head",
        "_job",
        "_kept",
        "_offset",
        "_over",
        "_pending",
        "_read",
        "_redaction",
        "_tail",
    )

    def __init__(
        self,
        job: int,
        attempt: int,
        descriptor: int,
        most_bytes: int,
        redaction: Redaction | None = None,
    ) -> None:
        """`descriptor`: the file, open for reading and appending; the caller closes it. `redaction`: of an attempt that has secrets."""
        self._redaction = redaction
        self._job = job
        self._attempt = attempt
        self._descriptor = descriptor
        self._tail = most_bytes // _TAIL_PART
        self._head = most_bytes - self._tail
        self._read = 0
        self._offset = 0
        self._given_back = 0
        """Bytes at the beginning of the output that are no longer in the file."""
        self._kept = b""
        """The last of them."""
        self._over = False
        self._pending = 0
        """Bytes of a character that the end of the head cut in two."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def news(self, *, final: bool = False) -> list[LogChunk]:
        """What was written since the last call; with `final` everything that is left, and how much was left out."""
        chunks: list[LogChunk] = []
        while self._read < self._head:
            piece = os.pread(self._descriptor, min(_PIECE, self._head - self._read), self._read)
            if not piece:
                break
            self._read += len(piece)
            self._add(chunks, self._decoder.decode(self._cleaned(piece)))
        if self._read >= self._head:
            self._look_beyond(chunks)
        if final:
            self._end(chunks)
        return chunks

    def _look_beyond(self, chunks: list[LogChunk]) -> None:
        size = os.fstat(self._descriptor).st_size
        if not self._over and self._given_back + size - self._read > self._tail:
            self._over = True
            if self._redaction is not None:
                self._add(chunks, self._decoder.decode(self._redaction.drop()))
            self._pending = len(self._decoder.getstate()[0])
            self._decoder.reset()
            text = f"the output is longer than {self._head + self._tail} bytes: of what follows, the last {self._tail} bytes are kept"
            self._add(chunks, f"\n[herder: {text} and shown when the attempt has ended]\n")
        if self._over and size > _SHORTEN_AT:
            # Writers append, so they go on at the new end. What comes between the two calls is not counted.
            self._kept = self._last(size)
            os.ftruncate(self._descriptor, 0)
            self._given_back += size

    def _last(self, size: int) -> bytes:
        """Of a file of this size and what was before it, as much as the tail may have."""
        begin = max(0, size - self._tail)
        data = os.pread(self._descriptor, min(self._tail, size), begin)
        return (self._kept + data)[-self._tail :] if len(data) < self._tail else data

    def _end(self, chunks: list[LogChunk]) -> None:
        size = os.fstat(self._descriptor).st_size
        beyond = self._given_back + size - self._read
        tail = b""
        if beyond > 0 and self._tail:
            tail = self._last(size)[-beyond:]
        if self._over:
            tail = _from_a_beginning(tail)
            left_out = beyond + self._pending - len(tail)
            about = "about " if self._given_back else ""
            self._add(chunks, f"[herder: {about}{left_out} bytes of output were omitted here]\n")
        for at in range(0, len(tail), _PIECE):
            self._add(chunks, self._decoder.decode(self._cleaned(tail[at : at + _PIECE])))
        rest = b"" if self._redaction is None else self._redaction.clean(b"", final=True)
        self._add(chunks, self._decoder.decode(rest, final=True))

    def _cleaned(self, piece: bytes) -> bytes:
        return piece if self._redaction is None else self._redaction.clean(piece)

    def _add(self, chunks: list[LogChunk], text: str) -> None:
        text = text.replace("\0", "")
        if text:
            chunks.append(LogChunk(job=self._job, attempt=self._attempt, offset=self._offset, text=text))
            self._offset += len(text.encode())


def _from_a_beginning(tail: bytes) -> bytes:
    """Without the rest of a line, or at least of a character, whose beginning was left out."""
    line = tail.find(b"\n", 0, _LINE_MOST) + 1
    if 0 < line < len(tail):
        return tail[line:]
    begin = 0
    while begin < min(3, len(tail)) and tail[begin] & 0xC0 == 0x80:
        begin += 1
    return tail[begin:]
