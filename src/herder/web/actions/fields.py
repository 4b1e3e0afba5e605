"""What a person can choose of an action, and how it is read. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from herder.control.kernel.bounds.errors import Invalid
from herder.settings.syntax.durations import parse_duration

#: Characters of a field that are read, and of a message.
FIELD_MAX = 100
MESSAGE_MAX = 2_000
#: Digits of a number.
DIGITS_MAX = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    name: str
    label: str
    kind: Literal["number", "text", "duration", "flag"]
    option: str = ""
    """Of the command line; empty: an argument."""
    hint: str = ""
    """Shown in the empty field."""
    standard: str = ""


def given_in(form: Mapping[str, str], fields: Sequence[Field]) -> dict[str, str]:
    """As text, with standard values for what was not given."""
    found = {each.name: form.get(each.name, "").strip()[:FIELD_MAX] or each.standard for each in fields}
    return {name: text for name, text in found.items() if text}


def parsed(given: Mapping[str, str], fields: Sequence[Field]) -> dict[str, Any]:
    """Numbers, seconds, texts and flags; None of what was not given. Raises Invalid."""
    return {each.name: _read(each, given.get(each.name, "")) for each in fields}


def _read(field: Field, text: str) -> Any:
    if field.kind == "flag":
        return bool(text)
    if not text:
        return None
    if field.kind == "number":
        if not text.isascii() or not text.isdigit() or len(text) > DIGITS_MAX:
            raise Invalid(f"{field.name}: {text[:20]!r} is not a number.", field=field.name)
        return int(text)
    if field.kind == "duration":
        try:
            return parse_duration(text)
        except ValueError as error:
            raise Invalid(f"{field.name}: {error}.", field=field.name) from None
    return text


def words_of(given: Mapping[str, str], fields: Sequence[Field]) -> list[str]:
    """As the command line takes them."""
    words: list[str] = []
    for each in fields:
        text = given.get(each.name, "")
        if not text:
            continue
        if each.kind == "flag":
            words.append(each.option)
        else:
            words += [each.option, text] if each.option else [text]
    return words
