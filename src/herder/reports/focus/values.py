"""The conditions that the rules of FOCUS are made of: each is about the values of one row. A null has no type and no form that it could miss."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Row = Mapping[str, str | None]
_NUMBER = re.compile(r"[+-]?(?:[0-9]*\.)?[0-9]+(?:[eE][+-]?[0-9]+)?")
_TIME = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z")
_WORD = r"[A-Za-z][A-Za-z0-9]*(?: [A-Za-z][A-Za-z0-9]*)*"
_SPANS = "Years|Months|Days|Hours|Minutes|Seconds"
_SPAN = "Year|Month|Day|Hour|Minute|Second"
_UNIT = re.compile(
    rf"(?:[0-9]+ )?{_WORD}|{_WORD}-(?:{_SPANS})|{_WORD}/(?:{_SPAN})|{_WORD}/[0-9]+ (?:{_SPANS})"
)
_CURRENCY = re.compile(r"[A-Z]{3}")


def is_number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None


def is_time(value: str) -> bool:
    if _TIME.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def is_tags(value: str) -> bool:
    """An object of JSON whose values are text, numbers or truth."""
    try:
        found = json.loads(value)
    except ValueError:
        return False
    return isinstance(found, dict) and not any(isinstance(each, dict | list) for each in found.values())


def is_text(value: str) -> bool:
    return value.isprintable()


#: Of one value.
_FORMS: Mapping[str, Callable[[str], bool]] = {
    "TypeString": lambda value: True,
    "TypeDecimal": is_number,
    "TypeDateTime": is_time,
    "FormatString": is_text,
    "FormatNumeric": is_number,
    "FormatDateTime": is_time,
    "FormatUnit": lambda value: _UNIT.fullmatch(value) is not None,
    "FormatKeyValue": is_tags,
    "FormatCurrency": lambda value: _CURRENCY.fullmatch(value) is not None,
    "CheckNationalCurrency": lambda value: _CURRENCY.fullmatch(value) is not None,
    "CheckDecimalValue": is_number,
}


def predicate(requirement: Mapping[str, Any]) -> Callable[[Row], bool]:
    """Raises ValueError for a function that is not known."""
    function = requirement["CheckFunction"]
    if function in _FORMS:
        form, column = _FORMS[function], requirement["ColumnName"]
        return lambda row: (value := row.get(column)) is None or form(value)
    made = _OTHERS.get(function)
    if made is None:
        raise ValueError(f"the rules have no function {function!r}")
    return made(requirement)


def _same(value: str | None, wanted: object) -> bool:
    if value is None or wanted is None:
        return value is wanted
    if isinstance(wanted, str):
        return value == wanted
    return is_number(value) and Decimal(value) == Decimal(str(wanted))


def _check_value(requirement: Mapping[str, Any]) -> Callable[[Row], bool]:
    column, wanted = requirement["ColumnName"], requirement["Value"]
    return lambda row: _same(row.get(column), wanted)


def _check_not_value(requirement: Mapping[str, Any]) -> Callable[[Row], bool]:
    column, wanted = requirement["ColumnName"], requirement["Value"]
    return lambda row: not _same(row.get(column), wanted)


def _same_value(requirement: Mapping[str, Any]) -> Callable[[Row], bool]:
    one, other = requirement["ColumnAName"], requirement["ColumnBName"]
    return lambda row: row.get(one) == row.get(other)


def _not_same_value(requirement: Mapping[str, Any]) -> Callable[[Row], bool]:
    one, other = requirement["ColumnAName"], requirement["ColumnBName"]
    return lambda row: row.get(one) != row.get(other)


def _at_least(requirement: Mapping[str, Any]) -> Callable[[Row], bool]:
    column, least = requirement["ColumnName"], Decimal(str(requirement["Value"]))
    return lambda row: (value := row.get(column)) is None or (is_number(value) and Decimal(value) >= least)


def _product(requirement: Mapping[str, Any]) -> Callable[[Row], bool]:
    """Exactly: prices and quantities are decimals."""
    names = [requirement[key] for key in ("ColumnAName", "ColumnBName", "ResultColumnName")]

    def holds(row: Row) -> bool:
        found = [row.get(name) for name in names]
        if None in found:
            return True
        try:
            one, other, result = (Decimal(str(value)) for value in found)
        except InvalidOperation:
            return False
        return one * other == result

    return holds


_OTHERS: Mapping[str, Callable[[Mapping[str, Any]], Callable[[Row], bool]]] = {
    "CheckValue": _check_value,
    "CheckNotValue": _check_not_value,
    "CheckSameValue": _same_value,
    "CheckNotSameValue": _not_same_value,
    "CheckGreaterOrEqualThanValue": _at_least,
    "ColumnByColumnEqualsColumnValue": _product,
}
