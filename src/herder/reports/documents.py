"""What a report says, before it is a page, a table or a file: facts and tables whose cells know what they are.

Amounts are exact (pico-USD) here and in JSON and CSV. People see cents; those of a column sum to the total below it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from herder.ledger.cents import cents, dollars, shown
from herder.ledger.lines import unit_of
from herder.reports.focus.columns import amount, money

Cell = str | int | None
"""None: unknown, or there is none."""


class Form(StrEnum):
    TEXT = "text"
    MONEY = "money"
    """Pico-USD; people see cents."""
    CENTS = "cents"
    """Pico-USD of whole cents, which are the amount: also in JSON and CSV, with two decimals."""
    EXACT = "exact"
    """Pico-USD, shown to the last digit."""
    NUMBER = "number"
    """A decimal number as text, with its unit elsewhere."""
    COUNT = "count"
    PERCENT = "percent"
    """Tenths of a percent."""

    @property
    def right(self) -> bool:
        return self is not Form.TEXT


@dataclass(frozen=True, slots=True)
class Column:
    key: str
    form: Form = Form.TEXT
    wide: bool = False
    """Not in a narrow table of a terminal."""

    @property
    def title(self) -> str:
        return self.key.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    key: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    total: tuple[Cell, ...] | None = None
    """A last row."""
    note: str = ""
    empty: str = "None."

    @property
    def cell_classes(self) -> list[str]:
        """Of each column, for a page."""
        return [
            " ".join(
                [*(("right", each.form.value) if each.form.right else ()), *(("wide",) if each.wide else ())]
            )
            for each in self.columns
        ]

    def text(self) -> list[tuple[str, ...]]:
        """The rows as people see them."""
        made = [list(row) for row in self.rows]
        for place, column in enumerate(self.columns):
            for row, value in zip(made, self._column(place, column.form), strict=True):
                row[place] = value
        return [tuple(map(str, row)) for row in made]

    def total_text(self) -> tuple[str, ...]:
        if self.total is None:
            return ()
        return tuple(
            _text(value, column.form) for value, column in zip(self.total, self.columns, strict=True)
        )

    def _column(self, place: int, form: Form) -> list[str]:
        values = [row[place] for row in self.rows]
        if form is not Form.MONEY or self.total is None:
            return [_text(value, form) for value in values]
        known = [value for value in values if isinstance(value, int)]
        if self.total[place] != sum(known):
            return [_text(value, form) for value in values]
        parts = iter(shown(known).parts)
        return [_signed(dollars(next(parts))) if isinstance(value, int) else _UNKNOWN for value in values]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    key: str
    value: Cell
    form: Form = Form.TEXT

    @property
    def title(self) -> str:
        return self.key.replace("_", " ").capitalize()

    @property
    def text(self) -> str:
        return _text(self.value, self.form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    kind: str
    """`invoice`, `report`, `showback`, …"""
    title: str
    facts: Sequence[Fact]
    tables: Sequence[Table]
    """The first is the one that matters: CSV has it."""
    notes: Sequence[str] = field(default_factory=tuple)

    def fact(self, key: str) -> Cell:
        """Raises KeyError."""
        return {each.key: each.value for each in self.facts}[key]

    def table(self, key: str) -> Table:
        """Raises ValueError for a table that there is not; it names those that there are."""
        for table in self.tables:
            if table.key == key:
                return table
        names = ", ".join(table.key for table in self.tables)
        raise ValueError(f"there is no table {key!r}; name one of {names}")


_UNKNOWN = "–"
_WHOLE = re.compile(r"-?[0-9]{1,40}")


def _text(value: Cell, form: Form) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, str):
        return _separated(value) if form is Form.NUMBER else value
    if form in (Form.MONEY, Form.CENTS):
        return _signed(dollars(cents(value)))
    if form is Form.EXACT:
        return _signed(money(value))
    if form is Form.PERCENT:
        return f"{value / 10:.1f} %"
    return f"{value:,}"


def _separated(number: str) -> str:
    """With thousands separators. A number with its unit stays as it is."""
    whole, dot, part = number.partition(".")
    return (
        f"{int(whole):,}{dot}{part}" if _WHOLE.fullmatch(whole) and (part.isdecimal() or not dot) else number
    )


def _signed(amount_text: str) -> str:
    return f"-${amount_text[1:]}" if amount_text.startswith("-") else f"${amount_text}"


def plain(document: Document) -> dict[str, Any]:
    """For JSON: amounts are exact decimal numbers as text, a percentage is a number."""
    return {
        "kind": document.kind,
        "title": document.title,
        **{each.key: _plain(each.value, each.form) for each in document.facts},
        "tables": {
            table.key: {
                "title": table.title,
                "rows": [_row(table, row) for row in table.rows],
                "total": None if table.total is None else _row(table, table.total),
                "note": table.note,
            }
            for table in document.tables
        },
        "notes": list(document.notes),
    }


def _row(table: Table, row: tuple[Cell, ...]) -> dict[str, Any]:
    return {column.key: _plain(value, column.form) for column, value in zip(table.columns, row, strict=True)}


def _plain(value: Cell, form: Form) -> str | int | float | None:
    if isinstance(value, int) and form in (Form.MONEY, Form.EXACT):
        return money(value)
    if isinstance(value, int) and form is Form.CENTS:
        return dollars(cents(value)).replace(",", "")
    if isinstance(value, int) and form is Form.PERCENT:
        return value / 10
    return value


def tenths(part: int, whole: int) -> int | None:
    """Tenths of a percent, rounded; None of nothing."""
    return None if whole == 0 else round(1000 * part / whole)


def quantity_of(resource: str, quantity: int) -> tuple[str, str]:
    """In the unit of people, to 6 decimals at most, and the unit."""
    unit = unit_of(resource)
    if unit is None:
        return str(quantity), "base units"
    text = amount(quantity, unit.base)
    whole, _, part = text.partition(".")
    short = part[:6].rstrip("0")
    return (f"{whole}.{short}" if short else whole), unit.name
