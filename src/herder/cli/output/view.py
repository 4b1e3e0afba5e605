"""How one kind of thing becomes a row: columns for tables and CSV, and its name. Filled in by `views`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`show` is for people (may use the time for ages), `raw` for CSV; `wide`: only with `-o wide` and in CSV."""

    header: str
    show: Callable[[Any, float], str]
    raw: Callable[[Any], Any]
    wide: bool = False
    right: bool = False
    state: bool = False
    long: bool = False
    """Free text: may be broken over lines on a terminal; all other cells stay whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    noun: str
    name: Callable[[Any], str]
    columns: tuple[Column, ...]
    empty: str
    """What to say when there is none: which command to type."""
