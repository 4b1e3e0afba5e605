"""The end of an output, for a page. Pure."""

from dataclasses import dataclass

#: Of the end of an output that a page shows.
LINES_MAX = 200
CHARACTERS_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    text: str
    whole: bool
    """Nothing of the output is missing."""


def tail_of(text: str) -> Tail:
    """The last lines, with what is not printable as `�`."""
    lines = text[-CHARACTERS_MAX:].splitlines()
    whole = len(text) <= CHARACTERS_MAX and len(lines) <= LINES_MAX
    shown = "\n".join(lines[-LINES_MAX:])
    return Tail(text="".join(c if c.isprintable() or c in "\n\t" else "�" for c in shown), whole=whole)
