"""JSON and JSON lines as plain values. A duplicate name in one object is refused, and so are NaN and Infinity.

Called by readers of jobs and of workflows. A large text is read by the quick library; the exact one is asked only when the text does not
come back from its own value as it was.
"""

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from herder.model.values.phrases import clause
from herder.settings.syntax.files import Unreadable

_COLON = re.compile(r"\s*:")
#: Half of a pair of surrogates, which is not a character.
_HALF = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
#: More digits than Python reads as one number.
_LONG = re.compile(r"\d{4301,}")


class _Twice(ValueError):
    pass


class _NoNumber(ValueError):
    pass


def read_json(text: str) -> Any:
    """Raises Unreadable."""
    try:
        value = msgspec.json.decode(text)
        if msgspec.json.encode(value) == msgspec.json.format(text.encode(), indent=-1):
            return value
    except (msgspec.DecodeError, UnicodeEncodeError):
        pass
    except RecursionError:
        raise too_deep() from None
    return _exact(text)


def json_lines(text: str) -> Iterator[tuple[int, Any]]:
    """(line, value) of each line that is not empty. Lines end at a newline and nowhere else. Raises Unreadable."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            yield number, read_json(line)
        except Unreadable as error:
            raise Unreadable(number, error.column, error.message, error.remedy) from None


def too_deep() -> Unreadable:
    return Unreadable(1, 1, "The data is nested too deeply.", "Use fewer levels of nesting.")


def read_decimals(text: str) -> Any:
    """With numbers that have a fraction or an exponent as Decimals, as they are written. Raises Unreadable."""
    return _exact(text, _decimal)


def _exact(text: str, fraction: Callable[[str], Any] = float) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=fraction)
    except json.JSONDecodeError as error:
        remedy = "Correct the JSON at this place."
        raise Unreadable(
            error.lineno, error.colno, f"This is not valid JSON: {clause(error.msg)}.", remedy
        ) from None
    except _Twice as error:
        line, column = _second(text, str(error))
        message = f"The name {str(error)!r} occurs twice in one object."
        raise Unreadable(line, column, message, "Remove one of the two.") from None
    except _NoNumber as error:
        line, column = _first(text, str(error))
        raise Unreadable(line, column, f"{error} is not a number.", "Write a number, or null.") from None
    except RecursionError:
        raise too_deep() from None
    except ValueError:  # a whole number of thousands of digits
        line, column = _place(text, long.start() if (long := _LONG.search(text)) else 0)
        raise Unreadable(line, column, "The number has too many digits.", "Write a smaller number.") from None
    _refuse_halves(text, value)
    return value


def _refuse_halves(text: str, value: Any) -> None:
    """Raises Unreadable: what is no text can neither be sent nor printed."""
    half = _HALF.search(text)
    if half is None:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        line, column = _place(text, half.start())
        raise Unreadable(
            line,
            column,
            f"{half[0]} is not a character.",
            "Write the character itself, or both halves of the pair.",
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Twice(name)
            seen.add(name)
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # its exponent
        raise _NoNumber(text) from None


def _constant(text: str) -> Any:
    raise _NoNumber(text)


def _second(text: str, name: str) -> tuple[int, int]:
    """Where an object names it again. The text is known to be JSON up to there."""
    decoder = json.JSONDecoder()
    seen: list[set[str]] = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            value, after = decoder.raw_decode(text, at)
            if seen and value == name and _COLON.match(text, after):
                if value in seen[-1]:
                    return _place(text, at)
                seen[-1].add(value)
            at = after
            continue
        if text[at] == "{":
            seen.append(set())
        elif text[at] == "}" and seen:
            seen.pop()
        at += 1
    return 1, 1


def _first(text: str, what: str) -> tuple[int, int]:
    return _place(text, max(0, text.find(what)))


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
