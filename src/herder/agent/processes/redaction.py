"""Hides the values of an attempt's secrets in its output, also where a value comes in two pieces. Used by `output` where there are any.

It keeps honest jobs from printing a password into a log. A job that changes a value before it prints it (base64, one character in
each line) is not found out.
"""

import re
from collections.abc import Iterable

#: Shorter ones occur by chance; longer ones are hidden line by line.
LEAST_BYTES = 6
MOST_BYTES = 4096
#: Different values and lines that are looked for.
PATTERNS_MAX = 2000


class Redaction:
    __slots__ = ("_held", "_patterns", "_search")

    def __init__(self, values: Iterable[bytes]) -> None:
        found: dict[bytes, None] = {}
        for value in values:
            for part in (value.strip(), *value.splitlines()):
                if LEAST_BYTES <= len(part) <= MOST_BYTES:
                    found[part] = None
        self._patterns = sorted(found, key=len, reverse=True)[:PATTERNS_MAX]
        self._search = re.compile(b"|".join(map(re.escape, self._patterns)) or b"(?!)")
        self._held = b""

    def clean(self, piece: bytes, *, final: bool = False) -> bytes:
        """As many bytes as it had, but for an end that may be the beginning of a value: it comes with the next piece."""
        text = self._search.sub(_stars, self._held + piece)
        keep = 0 if final else self._beginning_at_end_of(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def drop(self) -> bytes:
        """What comes after is not known: what was kept may be half of a value."""
        held, self._held = self._held, b""
        return b"*" * len(held)

    def _beginning_at_end_of(self, text: bytes) -> int:
        longest = 0
        for pattern in self._patterns:
            begin = max(0, len(text) - len(pattern) + 1)
            at = text.find(pattern[:1], begin)
            while at != -1 and len(text) - at > longest:
                if pattern.startswith(text[at:]):
                    longest = len(text) - at
                    break
                at = text.find(pattern[:1], at + 1)
        return longest


def _stars(found: "re.Match[bytes]") -> bytes:
    return b"*" * len(found[0])
