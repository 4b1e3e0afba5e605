"""Chooses the widths of the columns of a table so that each row fits one line of the terminal. Used by the printer; prints nothing.

Free text gives way first, then whole columns: those of `-o wide` from the right, then by their rank, then any. Text for which no legible width is
left goes below its row. A name is cut, in its middle, where it stays legible; an amount is cut only where no second column has place.
"""

import os
import shutil
import textwrap
from collections.abc import Sequence
from typing import TextIO
from unicodedata import combining, east_asian_width

from herder.cli.output.rows import Column

GAP = "   "
LONG_LEAST = 20
"""Free text is not shortened to less than this while a column can be dropped instead."""
WRAP_LEAST = 30
NAME_LEAST = 12
"""What stays of a name while a column can be dropped instead."""
CUT_LEAST = 4
"""What stays of anything."""


def columns_of(stream: TextIO) -> int:
    """Of the terminal that a stream is. The output may be in a pipe while errors are on a terminal."""
    if os.environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size().columns
    try:
        return os.get_terminal_size(stream.fileno()).columns or shutil.get_terminal_size().columns
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns


def sentences(text: str, stream: TextIO) -> str:
    """For a terminal, text with no line wider than it where that can be; for anything else as it is. Words are never broken, so that an address
    or a command can be copied."""
    if not stream.isatty():
        return text
    room = max(WRAP_LEAST, columns_of(stream))
    return "\n".join(_paragraph(line, room) for line in text.split("\n"))


def _paragraph(line: str, room: int) -> str:
    indent = line[: len(line) - len(line.lstrip(" -"))]
    parts = textwrap.wrap(
        line, room, subsequent_indent=" " * len(indent), break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(parts)


def width_of(text: str) -> int:
    """Places that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(char) in "WF" else 0 if combining(char) else 1 for char in text)


def fitted(columns: Sequence[Column], widths: Sequence[int], room: int) -> tuple[list[int], list[int]]:
    """Which columns stay, by their places, and how wide each of these is."""
    least = [min(width, _least(column)) for column, width in zip(columns, widths, strict=True)]
    kept = list(range(len(columns)))
    ranked = sorted((each for each in kept if columns[each].drop), key=lambda each: -columns[each].drop)
    extra = [each for each in reversed(kept) if columns[each].wide and not columns[each].drop]
    dropped: list[int] = []
    for each in [*extra, *ranked]:
        if _total(least, kept) <= room:
            break
        kept.remove(each)
        dropped.append(each)
    for each in reversed(dropped):
        if _total(least, [*kept, each]) <= room:
            kept = sorted([*kept, each])
    legible = [
        width if column.right else min(width, NAME_LEAST)
        for column, width in zip(columns, least, strict=True)
    ]
    for each in kept[:1:-1]:
        if _total(legible, kept) <= room:
            break
        kept.remove(each)
    return kept, _narrowed([columns[each] for each in kept], [widths[each] for each in kept], room)


def set_below(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The places of texts that go below their row: all that wrap, if one of them would have less than WRAP_LEAST beside the columns that stay."""
    texts = [place for place, column in enumerate(columns) if column.wrap and not column.drop]
    least = [min(width, _least(column)) for column, width in zip(columns, widths, strict=True)]
    stay = [place for place, column in enumerate(columns) if not column.drop]
    return texts if texts and _total(least, stay) > room else []


def _least(column: Column) -> int:
    return WRAP_LEAST if column.wrap else LONG_LEAST if column.long else 10**9


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[each] for each in kept) + len(GAP) * (len(kept) - 1)


def _narrowed(columns: Sequence[Column], widths: list[int], room: int) -> list[int]:
    over = sum(widths) + len(GAP) * (len(widths) - 1) - room
    least = [min(width, _least(column)) for column, width in zip(columns, widths, strict=True)]
    while over > 0 and (wide := [place for place, width in enumerate(widths) if width > least[place]]):
        widths[max(wide, key=widths.__getitem__)] -= 1
        over -= 1
    # What is left over: texts, then names, and numbers last.
    for kind in (_free, lambda column: not column.right, lambda column: True):
        cuttable = [place for place, column in enumerate(columns) if kind(column)]
        while over > 0 and any(widths[place] > CUT_LEAST for place in cuttable):
            widths[max(cuttable, key=widths.__getitem__)] -= 1
            over -= 1
    return widths


def _free(column: Column) -> bool:
    return column.long or column.wrap


def cut(text: str, width: int, *, words: bool) -> str:
    """At most so wide; with `words` the cut is between two of them where that leaves most of the text."""
    if width_of(text) <= width:
        return text
    taken, used = 0, 0
    for char in text:
        used += width_of(char)
        if used > width - 1:
            break
        taken += 1
    short = text[:taken]
    space = short.rstrip().rfind(" ") if words and not text[taken : taken + 1].isspace() else -1
    return (short[:space] if space > taken // 2 else short).rstrip() + "…"


def middle(text: str, width: int) -> str:
    """At most so wide, with its beginning and its end: names of one kind often begin alike."""
    if width_of(text) <= width:
        return text
    end = max(1, width * 2 // 3)
    while end > 1 and width_of(text[-end:]) > width * 2 // 3:
        end -= 1
    return cut(text, width - width_of(text[-end:]), words=False) + text[-end:]


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines between words; a word that is longer than a line is broken."""
    return textwrap.wrap(text, max(1, width), break_on_hyphens=False) or [""]
