"""Opens a trace and reads its rows: a file, a pipe or stdin, plain or gzip. Each error has its place.

Used by every reader. A bad row raises `TraceError` with file, line, column, value and remedy, or with `skip_bad` is left
out and listed. Nothing is guessed. The file is opened once and read forwards only.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from herder.settings.syntax.csv_text import CsvText, header_of
from herder.settings.syntax.files import DAMAGED, STDIN, Opened, Unreadable, lines_of, opened
from herder.settings.syntax.numbers import NUMBER_MAX, number, whole
from herder.simulate.traces.trace import TraceJob

#: Bad rows that are kept with their reason; the rest is only counted.
LISTED_MAX = 1000
_SKIP = "Correct it, or skip bad rows with --skip-bad."


class TraceError(ValueError):
    """A trace that cannot be read as it is. The text says where, what and what to do."""


@dataclass(slots=True)
class Rows:
    """An open trace: its first lines for detection, and rows by name of column."""

    path: str
    file: Opened
    skip_bad: bool = False
    limit: int | None = None
    skipped: list[str] = field(default_factory=list)
    cut: set[str] = field(default_factory=set)
    """Ids of rows that were left out because they are bad."""
    rest: "Iterator[Row] | None" = None
    """What comes after the limit."""

    def head(self) -> str:
        return self.file.head_text()

    def lines(self) -> Iterator[tuple[int, str]]:
        """(line number from 1, line)."""
        for at, line in enumerate(lines_of(self.file), start=1):
            if isinstance(line, Unreadable):
                self.bad(line)
            else:
                yield at, line.rstrip("\r\n")

    def text(self) -> str:
        """The whole file."""
        try:
            return self.file.text()
        except Unreadable as error:
            raise TraceError(error.within(self.path)) from None

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
                self.skip(str(error), row.cell("id"))
                continue
            if job is not None:
                found.append(job)
                if self.limit is not None and len(found) >= self.limit:
                    self.rest = rows
                    break
        return found

    def after_limit(self, wanted: set[str]) -> set[str]:
        """Those of the ids that stand on rows after the limit."""
        found: set[str] = set()
        for row in self.rest or ():
            name = row.cell("id")
            if name in wanted:
                found.add(name)
                if len(found) == len(wanted):
                    break
        return found

    def bad(self, error: Unreadable) -> None:
        """A row that cannot be split into cells. Raises TraceError, or lists it."""
        text = error.within(self.path)
        if not self.skip_bad:
            raise TraceError(f"{text} Or skip bad rows with --skip-bad.")
        self.skip(text)

    def skip(self, text: str, name: str = "") -> None:
        if name:
            self.cut.add(name)
        if len(self.skipped) < LISTED_MAX:
            self.skipped.append(text)
        else:
            self.skipped[-1] = f"and more than {LISTED_MAX - 1} others"

    def rows(self, columns: Sequence[str]) -> "Iterator[Row]":
        table = CsvText(self.file)
        try:
            header = table.begin()
        except Unreadable as error:
            raise TraceError(error.within(self.path)) from None
        if not header:
            raise TraceError(f"{self.path}: the file is empty. It must begin with {','.join(columns)}.")
        missing = [name for name in columns if name not in header]
        if missing:
            raise TraceError(
                f"{self.path}:1:1: column {missing[0]!r} is missing. The header must name {', '.join(columns)}."
            )
        places = {name: place for place, name in enumerate(header)}
        path, place = self.path, table.place
        for row in table.rows():
            if isinstance(row, Unreadable):
                self.bad(row)
            else:
                yield Row(path, row[0], places, row[1], place)


@contextmanager
def open_rows(path: Path | str, *, skip_bad: bool = False, limit: int | None = None) -> Iterator[Rows]:
    """`-` is stdin. Raises TraceError for a file that cannot be opened, is damaged, or is no text."""
    name = "stdin" if str(path) == STDIN else str(path)
    try:
        with opened(path) as file:
            yield Rows(name, file, skip_bad=skip_bad, limit=limit)
    except Unreadable as error:
        raise TraceError(error.within(name)) from None
    except FileNotFoundError:
        raise TraceError(f"{name}: the file does not exist. Check the path.") from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.strerror:
            raise TraceError(f"{name}: cannot be read: {error.strerror}. Check the path.") from None
        raise TraceError(f"{name}: the file is damaged: {error}. Download it again.") from None


class Row:
    """One row; cells by column, converted, or a `TraceError` that says which one is wrong."""

    __slots__ = ("_cells", "_place", "_places", "line", "path")

    def __init__(
        self,
        path: str,
        line: int,
        places: dict[str, int],
        cells: list[str],
        place: Callable[[int], tuple[int, int]],
    ) -> None:
        self.path = path
        self.line = line
        self._places = places
        self._cells = cells
        self._place = place

    def text(self, column: str, default: str | None = None) -> str:
        try:
            return self._cells[self._places[column]].strip()
        except LookupError:
            if column not in self._places and default is not None:
                return default
            remedy = f"Give it {len(self._places)} cells."
            raise self.bad_cell(column, "", "the row is too short", remedy) from None

    def cell(self, column: str) -> str:
        """Empty when there is none."""
        place = self._places.get(column, len(self._cells))
        return self._cells[place].strip() if place < len(self._cells) else ""

    def number(
        self, column: str, *, least: float = 0.0, most: float = NUMBER_MAX, default: float | None = None
    ) -> float:
        try:
            text = self._cells[self._places[column]]
            value = float(text)
            if least <= value <= most and text.isascii() and "_" not in text:
                return value
        except (LookupError, ValueError):
            pass
        text = self.text(column, None if default is None else "")
        if not text and default is not None:
            return default
        raise self._out_of_bounds(column, text, number(text), least, most)

    def whole(
        self, column: str, *, least: int = 0, most: int = NUMBER_MAX, default: int | None = None
    ) -> int:
        text = self.text(column, None if default is None else "")
        if not text and default is not None:
            return default
        if text.isdigit() and text.isascii() and len(text) < 16 and least <= (quick := int(text)) <= most:
            return quick
        value = whole(text)
        if value is None or not least <= value <= most:
            raise self._out_of_bounds(column, text, value, least, most)
        if isinstance(value, float):
            raise self.bad_cell(column, text, "is not a whole number", _SKIP)
        return value

    def _out_of_bounds(
        self, column: str, text: str, value: float | None, least: float, most: float
    ) -> TraceError:
        if value is None:
            what = "is not a number"
        else:
            what = f"is below {least:g}" if value < least else f"is above {most:g}"
        return self.bad_cell(column, text, what, _SKIP)

    def bad_cell(self, column: str, value: str, what: str, remedy: str) -> TraceError:
        line, at = self._place(self._places.get(column, len(self._cells)))
        shown = f" {value[:60]!r}" if value else ""
        return TraceError(f"{self.path}:{line}:{at}: {column}{shown} {what}. {remedy}")


def has_columns(head: str, columns: Sequence[str]) -> bool:
    """Whether the first row names all of these."""
    return set(header_of(head)).issuperset(columns)
