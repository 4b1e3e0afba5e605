"""Prints results on stdout in the requested format. Owned by the session; prints data and nothing else.

A terminal gets colour and a fitted table; a pipe gets plain columns that are never cut.
"""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, TextIO

from herder.cli.output.fitting import (
    GAP,
    WRAP_LEAST,
    columns_of,
    cut,
    fitted,
    middle,
    set_below,
    width_of,
    wrapped,
)
from herder.cli.output.formats import Format
from herder.cli.output.humanize import style_of, visible
from herder.cli.output.rows import Column, View

API_VERSION = "v1"
_SIGN = re.compile(r"(?P<indent> *)(?P<sign>-/\+|[+~-])(?= )")
_SIGN_STYLES = {"+": "32", "~": "33", "-": "31", "-/+": "31"}


@dataclass(slots=True, kw_only=True)
class Printer:
    format: Format
    headers: bool
    pretty: bool
    out: TextIO
    now_s: float
    note: Callable[[str], None] = lambda text: None
    """Says something to people beside the data."""
    steady: bool = False
    """Rows come one at a time: columns keep the widths that they have had."""
    _last: list[int] = field(default_factory=list)
    _left_out: list[str] = field(default_factory=list)
    """Columns for which the terminal was too narrow: all of `-o wide` and those without a rank, otherwise those that a person would miss."""

    def line(self, text: str) -> None:
        """Text that may hold what others wrote."""
        self._raw(visible(text))

    def _raw(self, text: str) -> None:
        self.out.write(text if text.endswith("\n") else text + "\n")
        self.out.flush()

    def items(self, view: View, items: Sequence[Any]) -> None:
        """A list of things of one kind."""
        if self.format in (Format.JSON, Format.YAML):
            self.data({"items": [whole(view, item) for item in items]})
        elif self.format is Format.NAME:
            for item in items:
                self.out.write(visible(view.name(item), keep="") + "\n")
        elif self.format is Format.CSV:
            self._csv(
                [column.name for column in view.columns],
                [[column.raw(item) for column in view.columns] for item in items],
            )
        elif items:
            self.table(view, items)
        self.out.flush()

    def table(self, view: View, items: Sequence[Any], *, headers: bool | None = None) -> None:
        told = bool(self._left_out)
        for line in self.lines(view, items, headers=headers):
            self.out.write(line + "\n")
        self.out.flush()
        if self._left_out and not told:
            names = ", ".join(self._left_out)
            self.note(
                f"Not shown at {columns_of(self.out)} columns: {names}. `-o csv` and `-o json` have all columns."
            )

    def lines(self, view: View, items: Sequence[Any], *, headers: bool | None = None) -> list[str]:
        """The table as lines; on a terminal with colour, and no line wider than it."""
        columns = [each for each in view.columns if self.format is Format.WIDE or not each.wide]
        rows = [[_one_line(column.show(item, self.now_s)) for column in columns] for item in items]
        head = [column.header for column in columns]
        with_head = self.headers if headers is None else headers
        widths = [
            max(map(width_of, cells)) for cells in zip(*([head] if with_head else []), *rows, strict=True)
        ]
        if self.steady:
            widths = [max(pair) for pair in zip_longest(widths, self._last, fillvalue=0)]
            self._last = widths
        below: list[list[str]] = [[] for _ in rows]
        room = shutil.get_terminal_size().columns
        if self.out.isatty():
            if texts := set_below(columns, widths, room):
                below = [[cells[place] for place in texts if cells[place] != "-"] for cells in rows]
                beside = [place for place in range(len(columns)) if place not in texts]
                columns, widths = [columns[each] for each in beside], [widths[each] for each in beside]
                head, *rows = ([cells[each] for each in beside] for cells in (head, *rows))
            kept, widths = fitted(columns, widths, room)
            told = self.format is Format.WIDE or view.tells_left_out
            self._left_out = [
                column.header
                for place, column in enumerate(columns)
                if place not in kept
                and (told or not column.drop or _says_something(column, [cells[place] for cells in rows]))
            ]
            columns = [columns[each] for each in kept]
            head, *rows = ([cells[each] for each in kept] for cells in (head, *rows))
        lines = [self._bold(line) for line in _lines(columns, head, widths, wrap=False)] if with_head else []
        for cells, texts_below in zip(rows, below, strict=True):
            lines += _lines(columns, cells, widths, wrap=self.out.isatty(), colored=self.pretty)
            lines += [GAP + line for text in texts_below for line in wrapped(text, room - len(GAP))]
        return lines

    def _csv(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        writer = csv.writer(self.out, lineterminator="\n")
        if self.headers:
            writer.writerow(names)
        for row in rows:
            writer.writerow([_csv_cell(value) for value in row])

    def fields(self, struct: Any) -> None:
        """One thing without a view as a row of CSV: its fields."""
        plain = _plain(struct)
        self._csv(list(plain), [list(plain.values())])
        self.out.flush()

    def data(self, struct: Any) -> None:
        """JSON or YAML with the version of its form as the first key."""
        plain = _plain(struct)
        whole = {"api_version": API_VERSION, **plain} if isinstance(plain, dict) else plain
        if self.format is Format.YAML:
            self.yaml(whole)
        else:
            self.out.write(_json(whole, indent=2) + "\n")
        self.out.flush()

    def record(self, struct: Any) -> None:
        """One JSON object on one line, for `--watch` and `--follow`."""
        self.out.write(_json({"api_version": API_VERSION, **_plain(struct)}) + "\n")
        self.out.flush()

    def yaml(self, plain: Any) -> None:
        from ruamel.yaml import YAML

        def dumped(*, unicode: bool) -> str:
            text = io.StringIO()
            writer = YAML(typ="safe", pure=True)
            writer.default_flow_style = False
            writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
            writer.width = 100_000
            writer.allow_unicode = unicode
            writer.dump(plain, text)
            return text.getvalue()

        text = dumped(unicode=True)
        self.out.write(dumped(unicode=False) if _HIDDEN.search(text) else text)

    def one(self, view: View, item: Any, details: "Details") -> None:
        """One thing: its details for people, or the whole of it as data."""
        if self.format is Format.TABLE:
            self.details(details)
        elif self.format in (Format.JSON, Format.YAML):
            self.data(whole(view, item))
        else:
            self.items(view, [item])

    def details(self, details: "Details") -> None:
        width = max((len(label) for label, _ in details.rows), default=0) + 1
        for label, value in details.rows:
            lines = self._broken(visible(value), width + 2)
            self._raw(
                f"{self._bold(visible(label, keep='') + ':')}{' ' * (width - len(label))} {lines[0]}".rstrip()
            )
            for line in lines[1:]:
                self.line(" " * (width + 2) + line)
        for title, view, items in details.tables:
            self.line("")
            self._raw(self._bold(title))
            self.table(view, items)

    def _broken(self, text: str, indent: int) -> list[str]:
        """On a terminal between words, so that the rest can stand below the beginning."""
        lines = text.split("\n")
        if not self.out.isatty():
            return lines
        room = max(WRAP_LEAST, shutil.get_terminal_size().columns - indent)
        return [part for line in lines for part in wrapped(line, room)]

    def prose(self, text: str, *, signed: bool = False) -> None:
        """Sentences: on a terminal broken between words, what goes on stands below its beginning. `signed`: `+`, `~`, `-` and `-/+` before a
        line have their colours."""
        for line in visible(text).split("\n"):
            rest = line.lstrip(" -")
            indent = line[: len(line) - len(rest)]
            first, *more = self._broken(rest, len(indent))
            self._raw(self._sign_coloured(indent + first) if signed else indent + first)
            for part in more:
                self._raw(" " * len(indent) + part)

    def _sign_coloured(self, line: str) -> str:
        found = _SIGN.match(line) if self.pretty else None
        if found is None:
            return line
        sign = found["sign"]
        return f"{found['indent']}\x1b[{_SIGN_STYLES[sign]}m{sign}\x1b[0m{line[found.end() :]}"

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.pretty else text


@dataclass(slots=True, kw_only=True)
class Details:
    """One thing for people: labelled values, then tables below."""

    rows: list[tuple[str, str]]
    tables: list[tuple[str, View, Sequence[Any]]]


def _lines(
    columns: Sequence[Column],
    cells: Sequence[str],
    widths: Sequence[int],
    *,
    wrap: bool,
    colored: bool = False,
) -> list[str]:
    """One row: a line, or several where text goes on below itself."""
    parts = [
        wrapped(cell, width) if wrap and column.wrap else [_shortened(column, cell, width)]
        for column, cell, width in zip(columns, cells, widths, strict=True)
    ]
    lines: list[str] = []
    for number in range(max(map(len, parts), default=0)):
        out: list[str] = []
        for column, cell, part, width in zip(columns, cells, parts, widths, strict=True):
            text = part[number] if number < len(part) else ""
            space = " " * (width - width_of(text))
            padded = space + text if column.right else text + space
            style = style_of(cell) if colored and column.state else ""
            out.append(f"\x1b[{style}m{padded}\x1b[0m" if style and text else padded)
        lines.append(GAP.join(out).rstrip())
    return lines


def _shortened(column: Column, cell: str, width: int) -> str:
    if column.long or column.wrap or column.right:
        return cut(cell, width, words=not column.right)
    return middle(cell, width)


def _says_something(column: Column, cells: Sequence[str]) -> bool:
    """Whether a person misses it when it is left out: a state, or a text that is there."""
    return (column.state or column.long or column.wrap) and any(cell != "-" for cell in cells)


def whole(view: View, item: Any) -> dict[str, Any]:
    """A thing as data, with what its columns say beside its fields."""
    return view.more(item, _plain(item))


def _one_line(text: str) -> str:
    return visible(text, keep="").replace("\\x0a", " ").replace("\\x09", " ")


#: What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t")


def _csv_cell(value: Any) -> Any:
    """Text that a spreadsheet would run is quoted with an apostrophe; numbers stay numbers."""
    if isinstance(value, dict | list | tuple):
        value = _json(_plain(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return "" if value is None else value
    text = visible(value, keep="\n\t")
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
#: JSON lets these stand as they are; a terminal does not.
_HIDDEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _json(plain: Any, indent: int | None = None) -> str:
    text = json.dumps(plain, indent=indent, ensure_ascii=False)
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(struct: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(struct)
