"""What msgspec says of data of the wrong form, in words for people. Used wherever plain data is read: the API, files of jobs.

The kinds are named as in JSON and YAML, not as in Python. Pure.
"""

import re

_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_EXPECTED = re.compile(r"Expected `([^`]*)`, got `([^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_LACKS = re.compile(r"Object missing required field `([^`]*)`")


def explained(error: Exception) -> tuple[str, str]:
    """What is wrong, and the path of where (`jobs[3].cpu`, empty: all of it)."""
    text, _, path = str(error).partition(" - at `$")
    where = path.rstrip("`").lstrip(".").removesuffix("[...]")
    expected = _EXPECTED.fullmatch(text)
    if expected:
        wanted = [_KINDS.get(each, each) for each in expected[1].split(" | ") if each != "null"]
        if "a whole number" in wanted and "a number" in wanted:
            wanted.remove("a whole number")
        return f"it must be {' or '.join(wanted)}, not {_KINDS.get(expected[2], expected[2])}", where
    unknown, lacks = _UNKNOWN.fullmatch(text), _LACKS.fullmatch(text)
    if unknown:
        return f"there is no field {unknown[1]!r}", where
    return (f"{lacks[1]} is missing" if lacks else text[:1].lower() + text[1:]), where


def unknown_field(error: Exception) -> str | None:
    """Its name, when that is what is wrong."""
    found = _UNKNOWN.match(str(error))
    return found[1] if found else None
