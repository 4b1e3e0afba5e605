"""How one kind of object becomes a row: its columns, from which table, CSV, JSON and YAML are made, and its name. Filled in by
`cli/views/tables`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`show` is for people (may use the time for ages), `raw` for programs; `wide`: in tables only with `-o wide`."""

    header: str
    show: Callable[[Any, float], str]
    raw: Callable[[Any], Any]
    key: str = ""
    """Its name in CSV, JSON and YAML, with its unit; the header in small letters where nothing else is said."""
    wide: bool = False
    right: bool = False
    state: bool = False
    long: bool = False
    """Free text: may be cut short on a terminal."""
    wrap: bool = False
    """Free text that goes on below itself on a terminal."""
    drop: int = 0
    """On a terminal that is too narrow the column with the highest rank is left out first; 0 stays."""

    @property
    def name(self) -> str:
        return self.key or self.header.lower().replace(" ", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    noun: str
    name: Callable[[Any], str]
    columns: tuple[Column, ...]
    empty: str
    """What to say when there is none: which command to type."""
    tells_left_out: bool = False
    """A person decides by these rows: says also without `-o wide` for which columns the terminal was too narrow."""

    def more(self, item: Any, plain: dict[str, Any]) -> dict[str, Any]:
        """The thing as data, and beside it what its columns say in other words."""
        return {**plain, **{each.name: each.raw(item) for each in self.columns if each.name not in plain}}
