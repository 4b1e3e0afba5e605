"""Documents as files: a page that needs nothing else (HTML), one of the tables (CSV), or all of it (JSON)."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from herder.reports.documents import Document, plain


def html(document: Document, table: str | None = None) -> str:
    """`table` has no meaning here: a page has all of them."""
    return _environment().get_template("document.html").render(document=document, style=_style())


def csv_text(document: Document, table: str | None = None) -> str:
    """The first table, or the one that is named: a header, its rows, exact amounts. Raises ValueError for a table that there is not."""
    found = document.tables[0] if table is None else document.table(table)
    rows = plain(document)["tables"][found.key]["rows"]
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.key for column in found.columns], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def json_text(document: Document, table: str | None = None) -> str:
    found = plain(document)
    if table is not None:
        found["tables"] = {table: found["tables"][document.table(table).key]}
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


FORMATS: Mapping[str, tuple[str, Callable[[Document, str | None], str]]] = {
    "json": ("application/json", json_text),
    "csv": ("text/csv; charset=utf-8", csv_text),
    "html": ("text/html; charset=utf-8", html),
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
