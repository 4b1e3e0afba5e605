"""Documents as files: a page that needs nothing else (HTML), one of the tables (CSV), all of it (JSON), or text for a terminal."""

import csv
import io
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from herder.reports.documents import Document, Form, Table, plain

_WIDTH = 80
#: What a spreadsheet takes for a formula. A number with its sign is none.
_FORMULA = re.compile(r"[=+@\t\r-]")
_SIGNED_NUMBER = re.compile(r"[+-]\$?[0-9][0-9.,]*( ?%)?")


def html(document: Document, table: str | None = None) -> str:
    """`table` has no meaning here: a page has all of them."""
    return _environment().get_template("document.html").render(document=document, style=_style())


def csv_text(document: Document, table: str | None = None) -> str:
    """The first table, or the one that is named: a header, its rows, exact amounts. A text that a spreadsheet would take for a formula begins with an apostrophe. Raises ValueError for a table that there is not."""
    found = document.tables[0] if table is None else document.table(table)
    rows = plain(document)["tables"][found.key]["rows"]
    texts = [column.key for column in found.columns if column.form is Form.TEXT]
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.key for column in found.columns], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({**row, **{key: no_formula(row[key]) for key in texts}} for row in rows)
    return text.getvalue()


def no_formula(value: Any) -> Any:
    """A text as it may be in a file for spreadsheets."""
    if isinstance(value, str) and _FORMULA.match(value) and not _SIGNED_NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def json_text(document: Document, table: str | None = None) -> str:
    found = plain(document)
    if table is not None:
        found["tables"] = {table: found["tables"][document.table(table).key]}
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def text(document: Document, table: str | None = None) -> str:
    """For a terminal, with the columns that fit one."""
    return _text(document, table, wide=False)


def wide_text(document: Document, table: str | None = None) -> str:
    """For a terminal, with all columns."""
    return _text(document, table, wide=True)


def _text(document: Document, table: str | None, *, wide: bool) -> str:
    found = document.tables if table is None else [document.table(table)]
    width = max(len(fact.title) for fact in document.facts)
    parts = [document.title, "\n".join(f"{fact.title:<{width}}  {fact.text}" for fact in document.facts)]
    parts += [f"{each.title}\n{_grid(each, wide=wide)}" for each in found if each.rows or wide]
    parts += [textwrap.fill(note, _WIDTH) for note in document.notes]
    return "\n\n".join(parts) + "\n"


def _grid(table: Table, *, wide: bool) -> str:
    if not table.rows:
        return table.empty
    places = [place for place, column in enumerate(table.columns) if wide or not column.wide]
    head = tuple(column.title.upper() for column in table.columns)
    rows = [head, *table.text(), *([table.total_text()] if table.total else [])]
    widths = {place: max(len(row[place]) for row in rows) for place in places}
    return "\n".join(
        "  ".join(
            row[place].rjust(widths[place])
            if table.columns[place].form.right
            else row[place].ljust(widths[place])
            for place in places
        ).rstrip()
        for row in rows
    )


FORMATS: Mapping[str, tuple[str, Callable[[Document, str | None], str]]] = {
    "json": ("application/json", json_text),
    "csv": ("text/csv; charset=utf-8", csv_text),
    "html": ("text/html; charset=utf-8", html),
    "text": ("text/plain; charset=utf-8", text),
    "wide": ("text/plain; charset=utf-8", wide_text),
}
"""By name: media type and renderer."""


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> Markup:
    """Our own file, so it is safe to stand in the page as it is."""
    return Markup((Path(__file__).parent / "templates" / "document.css").read_text(encoding="utf-8"))
