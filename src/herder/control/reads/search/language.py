"""From the text of a search to its terms: `state:failed user:ann name~merge duration>5m`. All terms must hold.

Pure: knows no table. Called by `jobs.py` and `batches.py` of this folder, which say which columns there are. A value with spaces stands in
double quotes, in which a backslash stands before a quote or a backslash; `state:failed,skipped` is either of them; a word alone is a part
of the name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from herder.control.kernel.bounds.errors import Invalid
from herder.model.values.phrases import clause, counted
from herder.settings.syntax.durations import parse_duration
from herder.settings.syntax.problems import did_you_mean

#: Characters of a search, its terms, and the values of one.
QUERY_LENGTH = 1_000
TERMS_MAX = 20
VALUES_MAX = 50
_SHOWN = 50
_NUMBER_MAX = 2**53
#: What begins with this is a key of the attributes.
ATTRIBUTE = "attribute."
_TERM = re.compile(
    r"""\s*(?:([A-Za-z_][\w.-]*?)(!=|!~|<=|>=|[:=~<>]))?((?:"(?:[^"\\]|\\.)*"|[^\s"])*)(?=\s|$)"""
)
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,"]+)')
_ORDERED = ("<", "<=", ">", ">=")


class Kind(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    PATH = "path"
    """Whatever is below it fits, too."""
    NUMBER = "number"
    DURATION = "duration"
    TIME = "time"


#: What may stand between a column and its value.
OPERATORS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: (":", "=", "!=", "~", "!~"),
    Kind.CHOICE: (":", "=", "!="),
    Kind.PATH: (":", "=", "!="),
    Kind.NUMBER: (":", "=", "!=", *_ORDERED),
    Kind.DURATION: _ORDERED,
    Kind.TIME: _ORDERED,
}
_EXAMPLES = {Kind.DURATION: "5m", Kind.TIME: "2026-11-27, 2026-11-27T14:00 or -2h", Kind.NUMBER: "17"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """`operator`: one of `OPERATORS`, with = instead of a colon. Numbers, and times and durations in ms, are whole numbers."""

    column: str
    operator: str
    values: tuple[str | int, ...]
    """Of which one must fit; where none may, of none."""


def parse(text: str, columns: Mapping[str, Column], now_ms: int) -> tuple[Term, ...]:
    """Raises Invalid, which names the column and what is allowed. Columns may have `ATTRIBUTE` among them, for all its keys."""
    if len(text) > QUERY_LENGTH:
        raise _invalid(f"The search has {len(text):,} characters; the maximum is {QUERY_LENGTH:,}.")
    terms: list[Term] = []
    at = 0
    while text[at:].strip():
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            raise _invalid(
                f"The search cannot be read at {text[at:].strip()[:_SHOWN]!r}: a quote is not closed."
            )
        at = found.end()
        terms.append(_term(found[1] or "name", found[2] or "~", found[3], columns, now_ms))
    if len(terms) > TERMS_MAX:
        raise _invalid(f"The search has {counted(len(terms), 'term')}; the maximum is {TERMS_MAX}.")
    return tuple(terms)


def _term(name: str, operator: str, given: str, columns: Mapping[str, Column], now_ms: int) -> Term:
    column = columns.get(ATTRIBUTE if name.startswith(ATTRIBUTE) else name)
    if column is None or name == ATTRIBUTE:
        known = ", ".join(f"{each}KEY" if each == ATTRIBUTE else each for each in columns)
        guess = did_you_mean(name, [each for each in columns if each != ATTRIBUTE])
        near = f"{guess} " if guess.endswith("?") else ""
        raise _invalid(f"There is no column {name[:_SHOWN]!r} to search in.", f"{near}Columns are {known}.")
    allowed = OPERATORS[column.kind]
    if operator not in allowed:
        raise _invalid(
            f"Column {name} cannot be compared with {operator}.",
            f"Write one of {' '.join(allowed)} after {name}.",
        )
    values = [_unescaped(quoted) if quoted or not plain else plain for quoted, plain in _VALUE.findall(given)]
    if not values or len(values) > VALUES_MAX or (len(values) > 1 and operator in _ORDERED):
        what = "one value" if operator in _ORDERED else f"1 to {VALUES_MAX} values, with commas between them"
        raise _invalid(
            f"Column {name} has {counted(len(values), 'value')}.", f"Write {what} after {name}{operator}."
        )
    read = tuple(_read(name, column, each, now_ms) for each in values)
    return Term(column=name, operator="=" if operator == ":" else operator, values=read)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _read(name: str, column: Column, value: str, now_ms: int) -> str | int:
    if column.kind in (Kind.TEXT, Kind.PATH):
        return value
    if column.kind is Kind.CHOICE:
        if value not in column.choices:
            raise _invalid(
                f"{value[:_SHOWN]!r} is not a value of column {name}.",
                f"Choose one of {', '.join(column.choices)}.",
            )
        return value
    try:
        number = _NUMBERS[column.kind](value, now_ms)
    except ValueError as error:
        raise _invalid(
            f"Column {name}: {clause(error)}.",
            f"Write for example {name}>{_EXAMPLES[column.kind].split(',')[0]}.",
        ) from None
    if abs(number) > _NUMBER_MAX:
        raise _invalid(f"Column {name}: {value[:_SHOWN]} is too large.")
    return number


def _whole(value: str, now_ms: int) -> int:
    if not re.fullmatch("-?[0-9]{1,16}", value):
        raise ValueError(f"{value[:_SHOWN]!r} is not a whole number")
    return int(value)


def _span_ms(value: str, now_ms: int) -> int:
    return int(parse_duration(value) * 1000)


def _moment_ms(value: str, now_ms: int) -> int:
    if value.startswith("-"):
        return now_ms - _span_ms(value[1:], now_ms)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value[:_SHOWN]!r} is not a time; write {_EXAMPLES[Kind.TIME]}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


_NUMBERS = {Kind.NUMBER: _whole, Kind.DURATION: _span_ms, Kind.TIME: _moment_ms}


def _invalid(text: str, hint: str = "") -> Invalid:
    return Invalid(text, field="q", hint=hint)
