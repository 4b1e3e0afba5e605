"""The values of a foreign file, each with its path: what was read is remembered, so that the rest can be told. Pure.

Called by the imports (`cortex`, `rosa`). A value of the wrong kind is a problem with its path; it is never guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from herder.settings.syntax.problems import Place, Problem

#: An hour of more than 10 years is a slip.
NUMBER_MAX = 1e9
TEXT_MAX = 1_000

Path = tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Source:
    file: str
    problems: list[Problem] = field(default_factory=list)
    used: set[Path] = field(default_factory=set)

    def wrong(self, path: Path, message: str, remedy: str) -> None:
        """Once for each path."""
        key = ".".join(path)
        if all(each.key != key for each in self.problems):
            place = Place(file=self.file)
            self.problems.append(Problem(place=place, key=key, message=message, remedy=remedy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value, or that there is none (None): the caller then has its default."""

    source: Source
    path: Path = ()
    value: Any = None

    def at(self, *keys: str) -> "Node":
        found = self
        for key in keys:
            if found.value is not None and not isinstance(found.value, dict):
                found._wrong("Expected an object", "Write {…}.")
            value = found.value.get(key) if isinstance(found.value, dict) else None
            found = Node(source=self.source, path=(*found.path, key), value=value)
        return found

    def children(self) -> Iterator[tuple[str, "Node"]]:
        if self.value is not None and not isinstance(self.value, dict):
            self._wrong("Expected an object", "Write {…}.")
            return
        for key in self.value or {}:
            yield key, self.at(key)

    def listed(self) -> Iterator["Node"]:
        if self.value is not None and not isinstance(self.value, list):
            self._wrong("Expected a list", "Write […].")
            return
        for index, item in enumerate(self.value or ()):
            yield Node(source=self.source, path=(*self.path, str(index)), value=item)

    def number(self) -> float | None:
        if self.value is None:
            return None
        self.use()
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self._wrong("Expected a number", "Write a number.")
            return None
        if not 0 <= self.value <= NUMBER_MAX:
            self._wrong(f"Expected a number from 0 to {NUMBER_MAX:,.0f}", "Correct the number.")
            return None
        return float(self.value)

    def whole(self) -> int | None:
        found = self.number()
        if found is not None and found != int(found):
            self._wrong("Expected a whole number", "Write a number without a fraction.")
            return None
        return None if found is None else int(found)

    def text(self) -> str | None:
        if self.value is None:
            return None
        self.use()
        if not isinstance(self.value, str) or len(self.value) > TEXT_MAX:
            self._wrong("Expected a short text", f'Write "…" with at most {TEXT_MAX:,} letters.')
            return None
        return self.value

    def flag(self) -> bool | None:
        if self.value is None:
            return None
        self.use()
        if not isinstance(self.value, bool):
            self._wrong("Expected true or false", "Write true or false.")
            return None
        return self.value

    def texts(self) -> dict[str, str]:
        found = {key: each.text() for key, each in self.children()}
        return {key: value for key, value in found.items() if value is not None}

    def use(self) -> None:
        self.source.used.add(self.path)

    def _wrong(self, message: str, remedy: str) -> None:
        self.source.wrong(self.path, f"{message}, and the file has {_shown(self.value)}.", remedy)


def unread(node: Node) -> Iterator[Path]:
    """The paths that nothing has read; an object of which nothing was read is one of them."""
    if node.path in node.source.used:
        return
    if not isinstance(node.value, dict | list):
        yield node.path
        return
    children = (
        list(node.children()) if isinstance(node.value, dict) else [("", each) for each in node.listed()]
    )
    if node.path and not any(path[: len(node.path)] == node.path for path in node.source.used):
        if children:
            yield node.path
        return
    for _, child in children:
        yield from unread(child)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
