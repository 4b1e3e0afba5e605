"""Prints results on stdout in the format that was asked for. Owned by the session; prints data and nothing else.

A terminal gets colour and a fitted table; a pipe gets plain columns that are never cut.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from herder.cli.output.formats import Format
from herder.cli.output.view import Column, View
from herder.cli.output.words import style_of

API_VERSION = "v1"
PIPE_WIDTH = 10_000
"""Columns of a table with colour that goes into a pipe (`--color always`): nothing is cut there."""
_GAP = "   "


@dataclass(slots=True, kw_only=True)
class Printer:
    format: Format
    headers: bool
    pretty: bool
    out: TextIO
    now_s: float

    def line(self, text: str) -> None:
        self.out.write(text if text.endswith("\n") else text + "\n")
        self.out.flush()

    def items(self, view: View, items: Sequence[Any]) -> None:
        """A list of things of one kind."""
        if self.format in (Format.JSON, Format.YAML):
            self.data({"items": [_plain(item) for item in items]})
        elif self.format is Format.NAME:
            for item in items:
                self.out.write(view.name(item) + "\n")
        elif self.format is Format.CSV:
            self._csv(view, items)
        elif items:
            self.table(view, items)
        self.out.flush()

    def table(self, view: View, items: Sequence[Any], *, headers: bool | None = None) -> None:
        columns = [each for each in view.columns if self.format is Format.WIDE or not each.wide]
        shown = self.headers if headers is None else headers
        if self.pretty:
            self._pretty(columns, items, headers=shown)
            return
        rows = [[column.show(item, self.now_s) for column in columns] for item in items]
        self.plain_rows([column.header for column in columns] if shown else None, rows, columns)

    def plain_rows(self, header: list[str] | None, rows: list[list[str]], columns: Sequence[Column]) -> None:
        lines = ([header] if header else []) + [[_one_line(cell) for cell in row] for row in rows]
        widths = [max((len(line[n]) for line in lines), default=0) for n in range(len(columns))]
        for line in lines:
            cells = [
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(line, widths, columns, strict=True)
            ]
            self.out.write(_GAP.join(cells).rstrip() + "\n")
        self.out.flush()

    def _pretty(self, columns: Sequence[Column], items: Sequence[Any], *, headers: bool) -> None:
        from rich.console import Console

        width = None if self.out.isatty() else PIPE_WIDTH
        console = Console(file=self.out, force_terminal=True, highlight=False, width=width)
        console.print(self.rich_table(columns, items, headers=headers))

    def rich_table(self, columns: Sequence[Column], items: Sequence[Any], *, headers: bool = True) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=None, show_header=headers, header_style="bold", padding=(0, 3, 0, 0), pad_edge=False
        )
        for column in columns:
            justify: Literal["left", "right"] = "right" if column.right else "left"
            table.add_column(column.header, justify=justify, overflow="fold", no_wrap=not column.long)
        for item in items:
            cells = [_one_line(column.show(item, self.now_s)) for column in columns]
            styles = [
                style_of(cell) if column.state else "" for column, cell in zip(columns, cells, strict=True)
            ]
            table.add_row(*(Text(cell, style=style) for cell, style in zip(cells, styles, strict=True)))
        return table

    def _csv(self, view: View, items: Sequence[Any]) -> None:
        writer = csv.writer(self.out, lineterminator="\n")
        if self.headers:
            writer.writerow([column.header.lower().replace(" ", "_") for column in view.columns])
        for item in items:
            values = [column.raw(item) for column in view.columns]
            writer.writerow(["" if value is None else value for value in values])

    def data(self, struct: Any) -> None:
        """JSON or YAML with the version of its form as the first key."""
        plain = _plain(struct)
        whole = {"api_version": API_VERSION, **plain} if isinstance(plain, dict) else plain
        if self.format is Format.YAML:
            self.yaml(whole)
        else:
            self.out.write(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
        self.out.flush()

    def record(self, struct: Any) -> None:
        """One JSON object on one line, for `--watch` and `--follow`."""
        self.out.write(json.dumps({"api_version": API_VERSION, **_plain(struct)}, ensure_ascii=False) + "\n")
        self.out.flush()

    def yaml(self, plain: Any) -> None:
        from ruamel.yaml import YAML

        writer = YAML(typ="safe", pure=True)
        writer.default_flow_style = False
        writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        writer.width = 100_000
        writer.allow_unicode = True
        writer.dump(plain, self.out)

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
            lines = value.splitlines() or [""]
            self.line(f"{self._bold(label + ':')}{' ' * (width - len(label))} {lines[0]}".rstrip())
            for line in lines[1:]:
                self.line(" " * (width + 2) + line)
        for title, view, items in details.tables:
            self.line("")
            self.line(self._bold(title))
            self.table(view, items)

    def _bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.pretty else text


@dataclass(slots=True, kw_only=True)
class Details:
    """One thing for people: labelled values, then tables below."""

    rows: list[tuple[str, str]]
    tables: list[tuple[str, View, Sequence[Any]]]


def _one_line(text: str) -> str:
    """Control characters of foreign text (job names, messages) must not move the cursor or break the row."""
    return "".join(char if char.isprintable() else " " for char in text)


def _plain(struct: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(struct)
