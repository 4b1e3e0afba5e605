"""YAML as plain values for readers that need no places. Text becomes a number only if the number is written back in the same way.

Called by the reader of jobs. `010`, `1.10`, `0x1f` and dates stay text, because an id may look like that; whoever needs a number converts it.
"""

import re
from typing import Any

from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.numbers import NUMBER_MAX
from herder.settings.syntax.problems import SettingsError
from herder.settings.syntax.values import Listing, Scalar, Value
from herder.settings.syntax.yaml_text import read_yaml

#: Most values of one file of jobs: half a million jobs with ten fields.
VALUES_MAX = 5_000_000
#: Of a whole number; what is longer stays text.
DIGITS_MAX = 1000
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_NO_NUMBER = re.compile(r"[+-]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read_plain_yaml(text: str, file: str) -> Any:
    """None for a text without a document. Raises Unreadable for the first thing that is wrong."""
    try:
        documents = read_yaml(text, file, values_max=VALUES_MAX)
    except SettingsError as error:
        first = error.problems[0]
        where = f"{first.key}: " if first.key else ""
        raise Unreadable(
            first.place.line, first.place.column, f"{where}{first.message}", first.remedy.rstrip(".")
        ) from None
    if len(documents) > 1:
        place = documents[1].place
        raise Unreadable(
            place.line, place.column, "A second YAML document begins here.", "Write one document in a file."
        )
    return plain(documents[0]) if documents else None


def plain(value: Value) -> Any:
    if isinstance(value, Scalar):
        return _scalar(value)
    if isinstance(value, Listing):
        return [plain(item) for item in value.items]
    return {entry.name: plain(entry.value) for entry in value.entries}


def _scalar(value: Scalar) -> Any:
    text = value.text
    if text is None or not value.bare:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text) and len(text) <= DIGITS_MAX:
        return int(text)
    if _NO_NUMBER.fullmatch(text):
        place = value.place
        raise Unreadable(
            place.line,
            place.column,
            f"{value.key}: {text} is not a number.",
            "Write a number, or remove the setting.",
        )
    try:
        number = float(text)
    except ValueError:
        return text
    return number if repr(number) == text and abs(number) <= NUMBER_MAX else text
