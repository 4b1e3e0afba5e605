"""Reads reports of use from files: events as JSON lines, OpenTelemetry traces, LiteLLM's spend log. Used by `herder usage import`.

Only the form of the file is read here; what an event may be, the server says.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from herder.cli.input.file_faults import FileFaults, unopened
from herder.settings.syntax.files import Unreadable, read_text
from herder.settings.syntax.json_text import read_decimals

EVENTS_MOST = 1_000_000
_HINT = "Nothing was reported."


class UsageFormat(StrEnum):
    JSONL = "jsonl"
    OTEL = "otel"
    LITELLM = "litellm"


class Line(NamedTuple):
    number: int
    """Of the file."""
    value: dict[str, Any]


def read_usage(path: Path, form: UsageFormat) -> list[Line]:
    """Events, spans or rows. Raises CommandError, with the place of each fault."""
    faults = FileFaults(path, _HINT)
    found: list[Line] = []
    try:
        for number, value in _values(read_text(path)):
            parts = list(_PARTS[form](value))
            if not all(isinstance(part, dict) for part in parts):
                faults.add(number, 1, "this is not a mapping", f"write {_WANTED[form]}")
            found += [Line(number, part) for part in parts if isinstance(part, dict)]
    except Unreadable as error:
        faults.found(error)
    except OSError as error:
        raise unopened(faults.name, error) from None
    if not found and not faults.lines:
        faults.add(1, 1, f"the file has no {_NOUNS[form]}", f"write {_WANTED[form]}")
    if len(found) > EVENTS_MOST:
        faults.add(1, 1, f"there are more than {EVENTS_MOST:,} {_NOUNS[form]}", "split the file")
    faults.check()
    return found


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """(line, value): of JSON lines, or of one document with a list in it. Raises Unreadable."""
    lines = text.split("\n")
    if text.lstrip()[:1] == "[" or (lines[0].strip() in ("{", "") and text.strip()):
        whole = read_decimals(text)
        for each in whole if isinstance(whole, list) else [whole]:
            yield 1, each
        return
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, read_decimals(line)
            except Unreadable as error:
                raise Unreadable(number, error.column, error.message, error.remedy) from None


def _plain(value: Any) -> Iterator[Any]:
    yield value


def _rows(value: Any) -> Iterator[Any]:
    """A row, or an answer of LiteLLM's API with its rows in `data`."""
    inside = value.get("data") if isinstance(value, dict) and "request_id" not in value else None
    yield from inside if isinstance(inside, list) else [value]


def _spans(value: Any) -> Iterator[Any]:
    """Those of calls to models, of a span or of what an exporter of OpenTelemetry writes on one line."""
    if not isinstance(value, dict) or "resourceSpans" not in value:
        yield value
        return
    for resource in _list(value, "resourceSpans"):
        for scope in _list(resource, "scopeSpans"):
            for span in _list(scope, "spans"):
                if isinstance(span, dict) and any(map(_tells_use, _list(span, "attributes"))):
                    yield span


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _tells_use(attribute: Any) -> bool:
    return isinstance(attribute, dict) and str(attribute.get("key", "")).startswith("gen_ai.usage.")


_PARTS: dict[UsageFormat, Callable[[Any], Iterator[Any]]] = {
    UsageFormat.JSONL: _plain,
    UsageFormat.OTEL: _spans,
    UsageFormat.LITELLM: _rows,
}
_NOUNS = {
    UsageFormat.JSONL: "events",
    UsageFormat.OTEL: "spans of calls to models",
    UsageFormat.LITELLM: "rows",
}
_WANTED = {
    UsageFormat.JSONL: "one event a line",
    UsageFormat.OTEL: "one span a line, or what an exporter of OpenTelemetry writes",
    UsageFormat.LITELLM: "one row of the spend log a line, or a list of them",
}
