"""Prints results on stdout in the format that was asked for. Owned by the session; prints data and nothing else.

A terminal gets colour and a fitted table; a pipe gets plain columns that are never cut.
"""

import csv
import io
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from herder.cli.output.formats import Format
from herder.cli.output.view import Column, View
from herder.cli.output.words import style_of, visible

API_VERSION = "v1"
LONG_LEAST = 20
"""Free text is never shortened to less than this; then the terminal breaks the line."""
_GAP = "   "


@dataclass(slots=True, kw_only=True)
class Printer:
    format: Format
    headers: bool
    pretty: bool
    out: TextIO
    now_s: float

    def line(self, text: str) -> None:
        """Text that may hold what others wrote."""
        self._raw(visible(text))

    def _raw(self, text: str) -> None:
        self.out.write(text if text.endswith("\n") else text + "\n")
        self.out.flush()

    def items(self, view: View, items: Sequence[Any]) -> None:
        """A list of things of one kind."""
        if self.format in (Format.JSON, Format.YAML):
            self.data({"items": [_plain(item) for item in items]})
        elif self.format is Format.NAME:
            for item in items:
                self.out.write(visible(view.name(item), keep="") + "\n")
        elif self.format is Format.CSV:
            self._csv(view, items)
        elif items:
            self.table(view, items)
        self.out.flush()

    def table(self, view: View, items: Sequence[Any], *, headers: bool | None = None) -> None:
        for line in self.lines(view, items, headers=headers):
            self.out.write(line + "\n")
        self.out.flush()

    def lines(self, view: View, items: Sequence[Any], *, headers: bool | None = None) -> list[str]:
        """The table as lines; on a terminal with colour, and with free text shortened to its width."""
        columns = [each for each in view.columns if self.format is Format.WIDE or not each.wide]
        rows = [[_one_line(column.show(item, self.now_s)) for column in columns] for item in items]
        shown = (
            [[column.header for column in columns]] if (self.headers if headers is None else headers) else []
        )
        widths = [max(map(len, cells)) for cells in zip(*shown, *rows, strict=True)]
        if self.pretty and self.out.isatty():
            widths = _fitted(widths, columns, shutil.get_terminal_size().columns)
        head = [self._bold(self._line(columns, cells, widths)) for cells in shown]
        return head + [self._line(columns, cells, widths, colored=self.pretty) for cells in rows]

    def _line(
        self, columns: Sequence[Column], cells: list[str], widths: list[int], *, colored: bool = False
    ) -> str:
        out: list[str] = []
        for column, cell, width in zip(columns, cells, widths, strict=True):
            text = cell if len(cell) <= width else cell[: width - 1] + "…"
            padded = text.rjust(width) if column.right else text.ljust(width)
            style = style_of(cell) if colored and column.state else ""
            out.append(f"\x1b[{style}m{padded}\x1b[0m" if style else padded)
        return _GAP.join(out).rstrip()

    def _csv(self, view: View, items: Sequence[Any]) -> None:
        writer = csv.writer(self.out, lineterminator="\n")
        if self.headers:
            writer.writerow([column.header.lower().replace(" ", "_") for column in view.columns])
        for item in items:
            values = [column.raw(item) for column in view.columns]
            writer.writerow([_csv_cell(value) for value in values])

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
            self.data(item)
        else:
            self.items(view, [item])

    def details(self, details: "Details") -> None:
        width = max((len(label) for label, _ in details.rows), default=0) + 1
        for label, value in details.rows:
            lines = visible(value).split("\n")
            self._raw(
                f"{self._bold(visible(label, keep='') + ':')}{' ' * (width - len(label))} {lines[0]}".rstrip()
            )
            for line in lines[1:]:
                self.line(" " * (width + 2) + line)
        for title, view, items in details.tables:
            self.line("")
            self._raw(self._bold(title))
            self.table(view, items)

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.pretty else text


@dataclass(slots=True, kw_only=True)
class Details:
    """One thing for people: labelled values, then tables below."""

    rows: list[tuple[str, str]]
    tables: list[tuple[str, View, Sequence[Any]]]


def _fitted(widths: list[int], columns: Sequence[Column], room: int) -> list[int]:
    """Narrower columns of free text, so that a line fits; names, states and numbers are never cut."""
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    fitted = list(widths)
    for place, column in reversed(list(enumerate(columns))):
        if column.long and over > 0:
            fitted[place] = max(min(LONG_LEAST, widths[place]), widths[place] - over)
            over -= widths[place] - fitted[place]
    return fitted


def _one_line(text: str) -> str:
    return visible(text, keep="").replace("\\x0a", " ").replace("\\x09", " ")


#: What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t")


def _csv_cell(value: Any) -> Any:
    """Text that a spreadsheet would run is quoted with an apostrophe; numbers stay numbers."""
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
