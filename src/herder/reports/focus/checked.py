"""A FOCUS file read through: rules that it breaks, sums of its columns, and whether its rows are lines of a ledger."""

from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from itertools import chain
from typing import IO

from herder.reports.focus.columns import COLUMNS, COSTS
from herder.reports.focus.files import FocusError, line_of, read_rows
from herder.reports.focus.rules import Rules, Violation

#: Sums are exact: more digits than amounts of a file can have.
_EXACT = Context(prec=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    rows: int
    lines: bool
    """Each row is a line of a ledger of Herder, exactly."""
    totals: dict[str, Decimal]
    """By column of costs, exact; of columns that the file has."""
    rules: int
    violations: list[Violation]


def checked(file: IO[str], name: str) -> Checked:
    """Raises FocusError for what cannot be read, and for a damaged line of a ledger."""
    rows = read_rows(file, name)
    first = next(rows, None)
    columns = tuple(first) if first is not None else COLUMNS
    rules, own = Rules(columns), first is not None and set(columns) >= set(COLUMNS)
    totals = {column: Decimal(0) for column in COSTS if column in columns}
    count = 0
    for row in chain(() if first is None else (first,), rows):
        count += 1
        where = f"{name}, row {count}"
        rules.check(row)
        if own:
            line_of(row, where)
        for column, so_far in totals.items():
            totals[column] = _EXACT.add(so_far, _number(row[column], column, where))
    return Checked(
        rows=count, lines=own, totals=totals, rules=rules.count, violations=rules.violations()
    )  # fmt: skip


def _number(value: str | None, column: str, where: str) -> Decimal:
    try:
        return Decimal(value or 0)
    except InvalidOperation:
        raise FocusError(f"{where}: {column} is {value!r}, which is not a number") from None
