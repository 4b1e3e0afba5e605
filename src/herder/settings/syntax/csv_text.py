"""Rows of CSV with the place of every cell: separators, quotes, cells with several lines. Called by readers of traces and items.

Strict where a guess would change what is meant (a quote that is not closed, more cells than columns, a column that stands twice), tolerant
where it cannot: spaces around cells, empty rows, semicolons or tabs instead of commas.
"""

import csv
from collections import deque
from collections.abc import Iterator

from herder.model.values.phrases import counted
from herder.settings.syntax.files import Opened, Unreadable, fault_of, text_stream

SEPARATORS = (",", ";", "\t", "|")
#: Lines of one row that are kept to tell the place of a cell.
_LINES_KEPT = 64
_FAULTS = (
    (
        "unexpected end",
        "A quote in this row is not closed.",
        "Close the quote. Write a quote inside a cell twice.",
    ),
    ("field larger", "A cell of this row is too long.", "Look for a quote that is not closed."),
    (
        "new-line character",
        "The row contains a carriage return.",
        "End lines with a newline, or quote the cell.",
    ),
    ("", "There is text after a closing quote.", "Write a quote inside a cell twice."),
)


class CsvText:
    """`rows` may be read once. `header` is there after `begin`."""

    def __init__(self, file: Opened) -> None:
        self._file = file
        self._line = 0
        self._recent: deque[str] = deque(maxlen=_LINES_KEPT)
        self._unread: list[Unreadable] = []
        self._taken = 0
        self._size = 1
        self.separator = ","
        self.header: list[str] = []

    def begin(self) -> list[str]:
        """The names of the columns. Raises Unreadable; an empty list when there is no line at all."""
        source = self._source()
        first = next(source, None)
        if self._unread:
            raise self._unread[0]
        if first is None:
            return []
        self.separator = separator_of(first)
        self._reader = csv.reader(
            _again(first, source), delimiter=self.separator, strict=True, skipinitialspace=True
        )
        try:
            cells = next(self._reader, [])
        except csv.Error as error:
            raise self._fault(error) from None
        self._taken = self._reader.line_num
        self.header = names = [cell.strip() for cell in cells]
        for place, name in enumerate(names):
            if name and name in names[:place]:
                self._size = self._taken
                line, column = self.place(place)
                raise Unreadable(line, column, f"The column {name!r} occurs twice.", "Remove one of the two.")
        return names

    def _source(self) -> Iterator[str]:
        keep = self._recent.append
        for self._line, line in enumerate(text_stream(self._file), start=1):  # noqa: B020 - where the reader is
            if not line.isascii() and (fault := fault_of(line, self._line)) is not None:
                self._unread.append(fault)
                continue
            keep(line)
            yield line

    def rows(self) -> "Iterator[tuple[int, list[str]] | Unreadable]":
        """(first line, cells) of each row that has something in it; in the place of one that cannot be read, what is wrong."""
        reader, width = self._reader, len(self.header)
        while True:
            try:
                for cells in reader:
                    taken = reader.line_num
                    self._size = size = taken - self._taken
                    self._taken = taken
                    if self._unread:
                        yield from self._told()
                    if not cells or (not cells[0] and not any(map(str.strip, cells))):
                        continue
                    if len(cells) > width:
                        yield self._too_many(cells)
                    else:
                        yield self._line - size + 1, cells
                yield from self._told()
                return
            except csv.Error as error:
                yield self._fault(error)

    def _told(self) -> list[Unreadable]:
        told, self._unread = self._unread, []
        return told

    def _too_many(self, cells: list[str]) -> Unreadable:
        line, column = self.place(len(self.header))
        return Unreadable(
            line,
            column,
            f"{len(cells)} cells are more than the {counted(len(self.header), 'column')} of the header.",
            "Remove the surplus cells, or quote a cell that contains the separator.",
        )

    def _fault(self, error: csv.Error) -> Unreadable:
        size = max(1, self._reader.line_num - self._taken)
        self._taken = self._reader.line_num
        message, remedy = next((said, do) for begin, said, do in _FAULTS if str(error).startswith(begin))
        return Unreadable(max(1, self._line - size + 1), 1, message, remedy)

    def place(self, place: int) -> tuple[int, int]:
        """Line and column at which a cell of the last row begins."""
        first = self._line - self._size + 1
        if self._size > len(self._recent):
            return first, 1
        text = "".join(list(self._recent)[-self._size :])
        at = _begin_of(text, self.separator, place)
        return first + text.count("\n", 0, at), at - text.rfind("\n", 0, at)


def separator_of(header: str) -> str:
    """What stands most often in the first line, outside of quotes; a comma when nothing does."""
    bare = "".join(header.split('"')[::2])
    return max(SEPARATORS, key=bare.count)


def header_of(head: str) -> list[str]:
    """The names in the first row of a text; empty when it is no row."""
    try:
        line = head[: head.find("\n") + 1] or head
        rows = csv.reader(
            head.splitlines(keepends=True), delimiter=separator_of(line), strict=True, skipinitialspace=True
        )
        return [cell.strip() for cell in next(rows, [])]
    except csv.Error:
        return []


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _begin_of(text: str, separator: str, place: int) -> int:
    quoted = False
    for at, char in enumerate(text):
        if not place:
            return at
        if char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            place -= 1
    return len(text.rstrip("\r\n"))
