"""The result of an import: plain form of herder.yaml with everything that was not taken over and why, and the text of the file.

Called by the imports, and through them by `herder config`. What is answered has been read by Herder's own reader. Pure.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ruamel.yaml import YAML

from herder.settings.imports.reading import Path
from herder.settings.load import load_texts
from herder.settings.syntax.problems import Place, Problem, SettingsError
from herder.settings.syntax.unfilled import is_about_unfilled

#: Names that a path shows; of more it shows `*`.
NAMES_MAX = 5


class Kind(StrEnum):
    """In the order in which they are told."""

    TO_DO = "to do"
    CONTRADICTION = "contradiction"
    PLANNED = "planned"
    NOT_TAKEN = "not taken over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    kind: Kind
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    plain: dict[str, Any]
    findings: tuple[Finding, ...]


def grouped(told: list[Finding]) -> tuple[Finding, ...]:
    """Of one reason one line: first of what one object has, then of objects that have the same."""
    rows = [(each.kind, each.text, tuple(each.path.split("."))) for each in told]
    rows = _merged(rows, lambda path: (len(path), *path[:-1]))
    rows = _merged(rows, lambda path: (len(path), path[0], path[-1]))
    order = list(Kind)
    found = [Finding(kind=kind, path=".".join(path), text=text) for kind, text, path in rows]
    return tuple(sorted(found, key=lambda each: order.index(each.kind)))


_Row = tuple[Kind, str, Path]


def _merged(rows: list[_Row], same: Callable[[Path], tuple[object, ...]]) -> list[_Row]:
    groups: dict[tuple[object, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row[0], row[1], same(row[2])), []).append(row)
    return [
        (group[0][0], group[0][1], tuple(map(_part, zip(*(path for _, _, path in group), strict=True))))
        for group in groups.values()
    ]


def _part(parts: tuple[str, ...]) -> str:
    names = list(dict.fromkeys(parts))
    return names[0] if len(names) == 1 else f"{{{','.join(names)}}}" if len(names) <= NAMES_MAX else "*"


def check_readable(plain: dict[str, Any], file: str) -> None:
    """Raises SettingsError with what Herder's own reader says, by the keys of herder.yaml; values that a person has to write may be there."""
    try:
        load_texts([("herder.yaml", json.dumps(plain))])
    except SettingsError as error:
        wrong = [
            Problem(place=Place(file=file), key=each.key, message=each.message, remedy=each.remedy)
            for each in error.problems
            if not is_about_unfilled(each)
        ]
        if wrong:
            raise SettingsError(wrong) from None


def written(found: Imported, file: str, command: str) -> str:
    """herder.yaml with the findings as comments."""
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.width = 100_000
    writer.dump(found.plain, text)
    head = [f"Written from {file} by herder config {command}."]
    head += [f"{each.kind}: {each.path}: {each.text}" for each in found.findings]
    return "".join(f"# {' '.join(line.split())}\n" for line in head) + text.getvalue()
