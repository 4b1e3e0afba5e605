"""Follows the output file of one attempt and cuts it into chunks of text. Used by the process runtime.

Chunks never split a character; invalid bytes become U+FFFD and NUL is dropped, since databases and terminals want neither.
Offsets count the UTF-8 bytes of the text already given out, so chunks join without gaps and a repeat is recognised.
What lies beyond the limit is counted, not read, and its space is given back so that a chatty job cannot fill the disk.
"""

import codecs
import os

from herder.wire.exchange import LogChunk

_PIECE = 64 * 1024
_SHORTEN_AT = 8 * 2**20


class Output:
    __slots__ = (
        "_attempt",
        "_decoder",
        "_descriptor",
        "_job",
        "_left_out",
        "_most",
        "_offset",
        "_read",
        "_truncated",
    )

    def __init__(self, job: int, attempt: int, descriptor: int, most_bytes: int) -> None:
        """`descriptor`: the file, open for reading and appending; the caller closes it."""
        self._job = job
        self._attempt = attempt
        self._descriptor = descriptor
        self._most = most_bytes
        self._read = 0
        self._offset = 0
        self._left_out = 0
        self._truncated = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def news(self, *, final: bool = False) -> list[LogChunk]:
        """What was written since the last call; with `final` everything that is left, and how much was left out."""
        chunks: list[LogChunk] = []
        while not self._truncated and self._read < self._most:
            piece = os.pread(self._descriptor, min(_PIECE, self._most - self._read), self._read)
            if not piece:
                break
            self._read += len(piece)
            self._add(chunks, self._decoder.decode(piece))
        if self._truncated or self._read >= self._most:
            self._count_left_out(chunks)
        elif final:
            self._add(chunks, self._decoder.decode(b"", final=True))
        if final and self._left_out:
            about = "about " if self._truncated else ""
            self._add(chunks, f"\n[herder: {about}{self._left_out} more bytes of output were left out]\n")
        return chunks

    def _count_left_out(self, chunks: list[LogChunk]) -> None:
        size = os.fstat(self._descriptor).st_size
        beyond = size if self._truncated else size - self._read
        if beyond <= 0:
            return
        if not self._left_out:
            # The rest of a character that the limit cut in two is left out with what follows.
            beyond += len(self._decoder.getstate()[0])
            self._decoder.reset()
            self._add(chunks, f"\n[herder: output beyond {self._most} bytes is left out]\n")
        # As long as nothing was given back, `beyond` has what was counted before in it.
        self._left_out = self._left_out + beyond if self._truncated else max(self._left_out, beyond)
        if self._truncated or size > _SHORTEN_AT:
            # Writers append, so they go on at the new end. What comes between the two calls is not counted.
            os.ftruncate(self._descriptor, 0)
            self._truncated = True

    def _add(self, chunks: list[LogChunk], text: str) -> None:
        text = text.replace("\0", "")
        if text:
            chunks.append(LogChunk(job=self._job, attempt=self._attempt, offset=self._offset, text=text))
            self._offset += len(text.encode())
