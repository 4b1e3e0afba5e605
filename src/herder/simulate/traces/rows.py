"""Opening a trace and reading its rows: plain or gzip, with the place of everything that is wrong.

Used by every reader. A bad row raises `TraceError` with file, line, column, value and remedy, or with `skip_bad` is left
out and listed. Nothing is guessed.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from herder.simulate.traces.form import TraceJob

#: Bad rows that are kept with their reason; the rest is only counted.
LISTED_MAX = 1000


class TraceError(ValueError):
    """A trace that cannot be read as it is. The text says where, what and what to do."""


@dataclass(slots=True)
class Rows:
    """An open trace: its first lines for detection, and rows by name of column."""

    path: Path
    skip_bad: bool = False
    limit: int | None = None
    skipped: list[str] = field(default_factory=list)

    @contextmanager
    def text(self) -> Iterator[TextIO]:
        """The whole file from the start. Gzip is known by its first two bytes, whatever the name."""
        try:
            raw = self.path.open("rb")
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be opened: {error.strerror}. Check the path.") from None
        with raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            with io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="") as text:
                yield text

    def head(self, characters: int = 4096) -> str:
        with self.text() as stream:
            return self._guarded(lambda: stream.read(characters))

    def _guarded(self, read: Callable[[], str]) -> str:
        try:
            return read()
        except (OSError, EOFError, zlib.error) as error:
            raise TraceError(f"{self.path}: the file is damaged: {error}. Fetch it again.") from None

    def lines(self) -> Iterator[tuple[int, str]]:
        """(line number from 1, line)."""
        with self.text() as stream:
            number = 0
            while True:
                line = self._guarded(stream.readline)
                if not line:
                    return
                number += 1
                yield number, line.rstrip("\r\n")

    def jobs(self, columns: Sequence[str], make: "Callable[[Row], TraceJob | None]") -> list[TraceJob]:
        """One job for each row of a CSV file with (at least) these columns; None from `make` leaves a row out on purpose."""
        return self.gather(self.rows(columns), make)

    def gather(self, rows: "Iterator[Row]", make: "Callable[[Row], TraceJob | None]") -> list[TraceJob]:
        found = []
        for row in rows:
            try:
                job = make(row)
            except TraceError as error:
                if not self.skip_bad:
                    raise
                self.skip(str(error))
                continue
            if job is not None:
                found.append(job)
                if self.limit is not None and len(found) >= self.limit:
                    break
        return found

    def skip(self, text: str) -> None:
        if len(self.skipped) < LISTED_MAX:
            self.skipped.append(text)
        else:
            self.skipped[-1] = f"and more than {LISTED_MAX - 1} others"

    def rows(self, columns: Sequence[str]) -> "Iterator[Row]":
        numbered = self.lines()
        first = next(numbered, None)
        if first is None:
            raise TraceError(f"{self.path}: the file is empty. It should begin with {','.join(columns)}.")
        header = [name.strip() for name in self._cells(1, first[1].lstrip("\ufeff"))]
        missing = [name for name in columns if name not in header]
        if missing:
            raise TraceError(
                f"{self.path}:1:1: there is no column {missing[0]!r}. The header should name {', '.join(columns)}."
            )
        places = {name: place for place, name in enumerate(header)}
        for line, text in numbered:
            if text.strip():
                cells = text.split(",") if '"' not in text else self._cells(line, text)
                yield Row(self.path, line, places, cells)

    def _cells(self, line: int, text: str) -> list[str]:
        try:
            return next(csv.reader([text]), [])
        except csv.Error as error:
            raise TraceError(f"{self.path}:{line}:1: this is no row of a CSV: {error}. Correct it.") from None


class Row:
    """One row; cells by column, converted, or a `TraceError` that says which one is wrong."""

    __slots__ = ("_cells", "_places", "line", "path")

    def __init__(self, path: Path, line: int, places: dict[str, int], cells: list[str]) -> None:
        self.path = path
        self.line = line
        self._places = places
        self._cells = cells

    def text(self, column: str, default: str | None = None) -> str:
        place = self._places.get(column)
        if place is None and default is not None:
            return default
        if place is None or place >= len(self._cells):
            raise self.wrong(column, "", "the row is too short", f"Give it {len(self._places)} cells.")
        return self._cells[place].strip()

    def number(self, column: str, *, least: float = 0.0, default: float | None = None) -> float:
        text = self.text(column, None if default is None else "")
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.wrong(column, text, "is not a number", "Correct it, or read on with --skip-bad.")
        if value < least:
            raise self.wrong(column, text, f"is below {least:g}", "Correct it, or read on with --skip-bad.")
        return value

    def whole(self, column: str, *, least: int = 0, default: int | None = None) -> int:
        value = self.number(column, least=least, default=default)
        if value != int(value):
            raise self.wrong(
                column, self.text(column), "is not a whole number", "Correct it, or read on with --skip-bad."
            )
        return int(value)

    def wrong(self, column: str, value: str, what: str, remedy: str) -> TraceError:
        place = self._places.get(column, len(self._cells))
        at = sum(len(cell) + 1 for cell in self._cells[:place]) + 1
        shown = f" {value[:60]!r}" if value else ""
        return TraceError(f"{self.path}:{self.line}:{at}: {column}{shown} {what}. {remedy}")


def has_columns(head: str, columns: Sequence[str]) -> bool:
    """Whether the first line names all of these."""
    names = {name.strip() for name in head.partition("\n")[0].lstrip("\ufeff").strip().split(",")}
    return names.issuperset(columns)
