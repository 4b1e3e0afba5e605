"""Settings as a tree of values that know their place: the same tree from YAML text and from plain data.

Scalars keep the text as it was written, so `0.10` never becomes a binary fraction and `on` never becomes true. Used by the
readers in `validation`; never interprets a value and never opens a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from herder.settings.syntax.problems import Place, Problem, SettingsError

VALUES_MAX = 200_000
"""Most values in one file: aliases of aliases must not fill the memory. A hundred times what a large fleet needs."""
DEPTH_MAX = 40
"""Deepest nesting in one file; herder.yaml itself needs six."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    place: Place
    key: str
    text: str | None
    """None for null."""
    bare: bool = False
    """Written without quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    place: Place
    key: str
    items: "tuple[Value, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `name: value` of a mapping; `place` is where the name stands."""

    place: Place
    name: str
    value: "Value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    place: Place
    key: str
    entries: tuple[Entry, ...]

    def get(self, name: str) -> "Value | None":
        return next((entry.value for entry in self.entries if entry.name == name), None)


Value = Scalar | Listing | Table


def join(key: str, name: str | int) -> str:
    if isinstance(name, int):
        return f"{key}[{name}]"
    return f"{key}.{name}" if key else name


def from_plain(data: Any, where: str, key: str = "") -> Value:
    """Plain data (what JSON can hold) as values, all at the place `where`. Raises SettingsError for anything else."""
    place = Place(file=where)
    if data is None or isinstance(data, str):
        return Scalar(place=place, key=key, text=data)
    if isinstance(data, bool):
        return Scalar(place=place, key=key, text="true" if data else "false")
    if isinstance(data, int | float | Decimal):
        return Scalar(place=place, key=key, text=str(data))
    if isinstance(data, Mapping):
        entries = tuple(
            Entry(place=place, name=str(name), value=from_plain(value, where, join(key, str(name))))
            for name, value in data.items()
        )
        return Table(place=place, key=key, entries=entries)
    if isinstance(data, Sequence):
        items = tuple(from_plain(item, where, join(key, number)) for number, item in enumerate(data))
        return Listing(place=place, key=key, items=items)
    problem = Problem(
        place=place,
        key=key,
        message=f"A value of type {type(data).__name__} is not allowed.",
        remedy="Use text, numbers, true, false, null, lists and mappings.",
    )
    raise SettingsError([problem])


def to_plain(value: Value) -> Any:
    """As it was written, scalars as text: for showing a file back, not for reading numbers from."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Listing):
        return [to_plain(item) for item in value.items]
    return {entry.name: to_plain(entry.value) for entry in value.entries}
