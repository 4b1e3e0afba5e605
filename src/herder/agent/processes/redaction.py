"""Hides the values of an attempt's secrets in its output, also where a value comes in two pieces. Used by `output` where there are any.

It keeps honest jobs from printing a password into a log. A job that changes a value before it prints it (base64, one character in
each line) is not found out. All values are looked for at once (Aho-Corasick): output costs the same whatever the values are, since
the agent does nothing else meanwhile.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import zip_longest

#: Shorter ones occur by chance; longer ones are hidden line by line.
LEAST_BYTES = 6
MOST_BYTES = 4096
#: Of all values and lines that are looked for. What does not fit is not hidden.
PATTERN_BYTES_MAX = 16 * 1024


class Redaction:
    __slots__ = ("_depth", "_fail", "_first", "_held", "_longest", "_next", "_state")

    def __init__(self, values: Iterable[bytes]) -> None:
        self._next: dict[int, int] = {}
        """(state << 8 | byte) → state. A state is a beginning of a value; 0 is the empty one."""
        self._depth, self._fail, self._longest = [0], [0], [0]
        """Of each state: its length, the state of its longest end that is a beginning too, and the longest value that ends here."""
        room = PATTERN_BYTES_MAX
        for pattern in _patterns(values):
            if len(pattern) <= room:
                room -= len(pattern)
                self._learn(pattern)
        self._link()
        begins = [re.escape(bytes([key])) for key in self._next if key < 256]
        self._first = re.compile(b"[%s]" % b"".join(begins) if begins else b"(?!)")
        self._state, self._held = 0, b""

    def clean(self, piece: bytes, *, final: bool = False) -> bytes:
        """As many bytes as it had, but for an end that may be the beginning of a value: it comes with the next piece."""
        text = self._held + piece
        spans = self._found(text, len(self._held))
        if spans:
            starred = bytearray(text)
            for begin, end in spans:
                starred[begin:end] = b"*" * (end - begin)
            text = bytes(starred)
        if final:
            self._state = 0
        going = len(text) - self._depth[self._state]
        self._held = text[going:]
        return text[:going]

    def drop(self) -> bytes:
        """What comes after is not known: what was kept may be half of a value."""
        held, self._held, self._state = self._held, b"", 0
        return b"*" * len(held)

    def _found(self, text: bytes, at: int) -> list[tuple[int, int]]:
        """Where values are, from `at` on; overlapping ones are one."""
        state, following, fail, longest = self._state, self._next, self._fail, self._longest
        spans: list[tuple[int, int]] = []
        end = len(text)
        while at < end:
            if not state:
                begin_at = self._first.search(text, at)
                if begin_at is None:
                    break
                at = begin_at.start()
            found = following.get(state << 8 | text[at])
            if found is None:
                state = fail[state]
                continue
            state = found
            at += 1
            if longest[state]:
                begin = at - longest[state]
                while spans and spans[-1][1] >= begin:
                    begin = min(begin, spans.pop()[0])
                spans.append((begin, at))
        self._state = state
        return spans

    def _learn(self, pattern: bytes) -> None:
        state = 0
        for depth, byte in enumerate(pattern, 1):
            found = self._next.setdefault(state << 8 | byte, len(self._depth))
            if found == len(self._depth):
                self._depth.append(depth)
                self._fail.append(0)
                self._longest.append(0)
            state = found
        self._longest[state] = len(pattern)

    def _link(self) -> None:
        """Shorter states first: the end of a state is shorter than the state."""
        inside: list[list[tuple[int, int]]] = [[] for _ in self._depth]
        for key, state in self._next.items():
            inside[key >> 8].append((key & 255, state))
        left = deque([0])
        while left:
            parent = left.popleft()
            for byte, state in inside[parent]:
                left.append(state)
                end = self._fail[parent]
                while end and (end << 8 | byte) not in self._next:
                    end = self._fail[end]
                self._fail[state] = self._next.get(end << 8 | byte, 0) if parent else 0
                self._longest[state] = self._longest[state] or self._longest[self._fail[state]]


def _patterns(values: Iterable[bytes]) -> Iterator[bytes]:
    """The first part of each value, then the second of each, so that a long value leaves room for the others."""
    seen: set[bytes] = set()
    parts = [(value.strip(), *value.splitlines()) for value in values]
    for part in (part for row in zip_longest(*parts, fillvalue=b"") for part in row):
        if LEAST_BYTES <= len(part) <= MOST_BYTES and part not in seen:
            seen.add(part)
            yield part
