"""Turns msgspec's errors about data of the wrong form into sentences. Used wherever plain data is read: the API, files of jobs.

The kinds are named as in JSON and YAML, not as in Python. Pure.
"""

import re
from collections.abc import Callable

from herder.model.values.phrases import counted, sentence

_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "bytes": "text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_BOUNDS = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than", "": "exactly"}
_UNITS = {"str": "character", "array": "item", "object": "entry"}
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")


def _kind(found: re.Match[str]) -> str:
    wanted = [_KINDS.get(each, each) for each in found[1].split(" | ") if each != "null"]
    if "a whole number" in wanted and "a number" in wanted:
        wanted.remove("a whole number")
    return f"it must be {' or '.join(wanted)}, not {_KINDS.get(found[2], found[2])}"


def _length(found: re.Match[str]) -> str:
    return f"it must have {_BOUNDS[found[2] or '']} {counted(int(found[3]), _UNITS[found[1]])}"


#: Each sentence of msgspec, and ours.
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Expected `([^`]*)`, got `([^`]*)`"), _kind),
    (re.compile(r"Expected `(str|array|object)` of length (?:(<=|>=) )?(\d+)"), _length),
    (re.compile(r"Expected `(int|float)` (<=|>=|<|>) (\S+)"), lambda f: f"it must be {_BOUNDS[f[2]]} {f[3]}"),
    (re.compile(r"Expected `str` matching regex .*"), lambda _: "it does not have the required form"),
    (_UNKNOWN, lambda f: f"there is no field {f[1]!r}"),
    (re.compile(r"Object missing required field `([^`]*)`"), lambda f: f"{f[1]} is missing"),
    (re.compile(r"Invalid enum value (.*)"), lambda f: f"{f[1]} is not one of the possible values"),
)


def explained(error: Exception) -> tuple[str, str]:
    """What is wrong, as a clause, and the path of where (`jobs[3].cpu`, empty: all of it)."""
    text, _, path = str(error).partition(" - at `")
    where = path.removeprefix("key` in `").lstrip("$").lstrip(".").rstrip("`").removesuffix("[...]")
    for form, write in _FORMS:
        found = form.fullmatch(text)
        if found:
            return write(found), where
    return text[:1].lower() + text[1:], where


def explained_sentence(error: Exception) -> str:
    """The same as a sentence, without the path."""
    text = explained(error)[0]
    return sentence(f"the value {text.removeprefix('it ')}" if text.startswith("it ") else text)


def unknown_field(error: Exception) -> str | None:
    """Its name, when that is what is wrong."""
    found = _UNKNOWN.match(str(error))
    return found[1] if found else None
