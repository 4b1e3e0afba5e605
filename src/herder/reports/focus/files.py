"""An export as text, in pieces, and back from it: the same lines, to the pico-USD."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import IO

from herder.ledger.lines import Kind, Line, Payer, Place
from herder.reports.focus.columns import COLUMNS
from herder.reports.focus.rows import Issuer, Rows, unmarked

_LINES_OF_A_PIECE = 1_000
#: Of one field, as an import takes it.
FIELD_MOST = 100_000


class FocusError(ValueError):
    """Of a file that is no export of ours; it says where and why."""


def text_of(lines: Iterable[Line], issuer: Issuer) -> Iterator[str]:
    """CSV, a header and pieces of some lines each: an export is never in memory as a whole."""
    rows, left = Rows(issuer), iter(lines)
    yield ",".join(COLUMNS) + "\r\n"
    while piece := list(islice(left, _LINES_OF_A_PIECE)):
        yield "".join(map(rows.text, piece))


def read_rows(file: IO[str], name: str) -> Iterator[dict[str, str | None]]:
    """Each row by column; an empty field is null. Raises FocusError for what is no table."""
    csv.field_size_limit(FIELD_MOST)
    reader = csv.reader(file, strict=True)
    try:
        head = next(reader, None)
        if not head:
            raise FocusError(f"{name} is empty; a FOCUS file begins with the names of its columns")
        if len(set(head)) < len(head):
            twice = next(column for column in head if head.count(column) > 1)
            raise FocusError(f"{name} has the column {twice!r} twice; name each column once")
        for row in reader:
            if len(row) != len(head):
                raise FocusError(
                    f"{name}, line {reader.line_num}: the row has {len(row)} fields, and there are {len(head)} columns"
                )
            yield {column: value or None for column, value in zip(head, row, strict=True)}
    except (csv.Error, UnicodeDecodeError) as error:
        raise FocusError(f"{name}, line {reader.line_num}: the table cannot be read: {error}") from None


def line_of(row: dict[str, str | None], where: str) -> Line:
    """The line of the ledger that the row was made from. Raises FocusError for rows of others."""
    try:
        text = {key: unmarked(row[key] or "") for key in COLUMNS}
    except KeyError as missing:
        raise FocusError(
            f"{where}: the column {missing.args[0]} is missing; only an export of Herder has the lines of its ledger"
        ) from None
    try:
        day = datetime.fromisoformat(text["ChargePeriodStart"])
        pico = text["x_Pico"]
        return Line(
            text["x_Period"],
            int(day.timestamp()) * 1000,
            text["x_Corrects"],
            text["x_Card"],
            Kind(text["x_Kind"]),
            Payer(text["x_Division"], text["x_Project"], text["x_User"]),
            Place(
                *(text[f"x_{name}"] for name in ("Pool", "Worker", "Template", "Provider", "Zone", "Market"))
            ),
            text["x_Resource"],
            text["x_Product"],
            int(text["x_Quantity"].partition("/")[0]),
            text["x_Rate"],
            int(pico) if pico else None,
        )
    except ValueError as error:
        raise FocusError(f"{where}: the row is not a line of a ledger: {error}") from None
