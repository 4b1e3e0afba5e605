"""Lists as files: the rows of the API, as filtered, for `?format=csv` and `?format=json`. Bounded; used by `site.py`."""

import csv
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from herder.control.kernel.bounds.errors import Invalid
from herder.model.permissions import Principal
from herder.reports.render import no_formula
from herder.wire.api.resources import Page

#: Rows of a file; the command line and the API have the rest.
ROWS_MAX = 10_000
#: The parameter of the address.
FORMAT = "format"
FORMATS = ("csv", "json")

#: A page of the list that an address asks for, after where the page before ended. Raises Refused.
Rows = Callable[[Principal, Request, str | None], Awaitable[Page]]


def export_addresses(request: Request) -> dict[str, str]:
    """By the name of the format, of what the page shows now."""
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in (FORMAT, "after", "kiosk")
    ]
    return {
        name.upper(): f"{request.url.path}?{urlencode([*kept, (FORMAT, name)])}" for name in reversed(FORMATS)
    }


async def exported(name: str, who: Principal, request: Request, rows: Rows) -> Response:
    """All rows from the first page on. `name`: of the file. Raises Refused."""
    form = request.query_params[FORMAT]
    if form not in FORMATS:
        raise Invalid(
            f"There is no format {form[:20]!r}.", field=FORMAT, hint=f"Write {' or '.join(FORMATS)}."
        )
    found, whole = await _all(who, request, rows)
    text = _csv(found) if form == "csv" else _json(found, whole=whole)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}{"" if whole else "-first-10000"}.{form}"'
    }
    kind = "text/csv" if form == "csv" else "application/json"
    return Response(text, media_type=f"{kind}; charset=utf-8", headers=headers)


async def _all(who: Principal, request: Request, rows: Rows) -> tuple[list[dict[str, Any]], bool]:
    """And whether these are all."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while len(found) < ROWS_MAX:
        page = await rows(who, request, after)
        found += msgspec.to_builtins(page.items)
        after = page.next
        if after is None:
            return found[:ROWS_MAX], len(found) <= ROWS_MAX
    return found[:ROWS_MAX], False


def _json(found: list[dict[str, Any]], *, whole: bool) -> str:
    return json.dumps({"items": found, "complete": whole}, ensure_ascii=False, indent=2) + "\n"


def _csv(found: list[dict[str, Any]]) -> str:
    """A column for each field, in the order in which they are first seen; what is nested as JSON."""
    columns = dict.fromkeys(name for row in found for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: no_formula(_cell(value)) for name, value in row.items()} for row in found)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value
