"""Readers of single settings: from a `Value` to a typed one. A problem is recorded and not raised.

A reader that finds a fault notes a `Problem` and gives back something harmless; the result is thrown away as soon as there
is a problem, so all faults of all files are found in one go. Used by `fields` and by the sections.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from herder.decide.eligibility.matching import RESERVED
from herder.model.permissions import ROLES, Role
from herder.model.values.money import PicoUsd, parse_usd
from herder.model.values.phrases import parts
from herder.model.values.resources import PLAIN, Dimensions, parse_cpu, parse_mib
from herder.settings.syntax.durations import parse_duration
from herder.settings.syntax.problems import Place, Problem, did_you_mean
from herder.settings.syntax.values import Entry, Listing, Scalar, Table, Value

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
#: Of what programs name: `ml_training`.
_PROGRAM_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
#: A longer text is not quoted.
_QUOTED_MAX = 30
_WHOLE = re.compile(r"[+-]?[0-9]+")


@dataclass(slots=True)
class Reading:
    """Collects the problems of one load."""

    problems: list[Problem] = field(default_factory=list)
    resources: Dimensions = PLAIN
    """The table by which amounts are read."""
    part: bool = False
    """A server has more than this: a budget whose parent is not named may have one there."""
    _unread: set[tuple[Place, str]] = field(default_factory=set)

    def problem(self, place: Place, key: str, message: str, remedy: str) -> None:
        """Of a value that could not be read nothing more is said: what stands in its place is not what was written."""
        if (place, key) not in self._unread:
            self.problems.append(Problem(place=place, key=key, message=message, remedy=remedy))

    def wrong(self, value: Value, message: str, remedy: str) -> None:
        self.problem(value.place, value.key, message, remedy)

    def unreadable(self, value: Value, message: str, remedy: str) -> None:
        self.wrong(value, message, remedy)
        self._unread.add((value.place, value.key))

    def could_read(self, value: Value) -> bool:
        return (value.place, value.key) not in self._unread


def _kind(value: Value) -> str:
    if isinstance(value, Listing):
        return "a list"
    if isinstance(value, Table):
        return "a mapping"
    if value.text is None:
        return "null"
    if len(value.text) > _QUOTED_MAX:  # a key or token given by mistake must not reach a terminal or a log
        return f"a text of {len(value.text):,} characters"
    return repr(value.text)


def _scalar(reading: Reading, value: Value, wanted: str, example: str) -> str | None:
    if isinstance(value, Scalar) and value.text is not None:
        return value.text
    reading.unreadable(value, f"Expected {wanted}, not {_kind(value)}.", f"Write a value such as {example}.")
    return None


def _parsed(
    reading: Reading, value: Value, *, wanted: str, example: str, parse: Callable[[str], T], default: T
) -> T:
    raw = _scalar(reading, value, wanted, example)
    if raw is None:
        return default
    try:
        return parse(raw)
    except ValueError as error:
        message, remedy = parts(error)
        reading.unreadable(value, message, remedy or f"Write a value such as {example}.")
        return default


def text(reading: Reading, value: Value) -> str:
    return _scalar(reading, value, "text", "a word or a sentence") or ""


def name(reading: Reading, value: Value) -> str:
    return checked_name(reading, value.place, value.key, text(reading, value))


def checked_name(reading: Reading, place: Place, key: str, raw: str) -> str:
    if not _NAME.fullmatch(raw):
        reading.problem(
            place,
            key,
            f"{raw!r} is not a valid name.",
            "Use 1 to 40 lower-case letters, digits and dashes, beginning with a letter and not ending with a dash.",
        )
    return raw


#: Digits of a number, with its sign: what a column of a database holds.
WHOLE_LENGTH = 18


def whole(reading: Reading, value: Value, least: int = 0) -> int:
    """A whole number of at least `least`, which is 0 or 1."""
    raw = _scalar(reading, value, "a whole number", "10")
    if raw is None:
        return 0
    if not _WHOLE.fullmatch(raw):
        reading.unreadable(value, f"{raw!r} is not a whole number.", "Write a number such as 10.")
        return 0
    if len(raw) > WHOLE_LENGTH:
        reading.unreadable(value, "The number is too large.", "Write fewer digits.")
        return 0
    if int(raw) < 0:
        reading.unreadable(value, f"{raw} is negative.", f"Write {least} or more.")
        return 0
    return int(raw)


def positive(reading: Reading, value: Value) -> int:
    before = len(reading.problems)
    number = whole(reading, value, least=1)
    if number == 0 and len(reading.problems) == before:
        reading.wrong(value, "The number must be at least 1.", "Write 1 or more.")
    return max(1, number)


def flag(reading: Reading, value: Value) -> bool:
    raw = _scalar(reading, value, "true or false", "true")
    if raw is not None and raw not in ("true", "false", "True", "False"):
        reading.wrong(value, f"{raw!r} is neither true nor false.", "Write true or false.")
    return raw in ("true", "True")


def duration(reading: Reading, value: Value) -> float:
    return _parsed(
        reading, value, wanted="a duration", example="300s, 30m or 4h", parse=parse_duration, default=0.0
    )


def limit_duration(reading: Reading, value: Value) -> float | None:
    """A duration, or null (also `none`) for no limit."""
    if isinstance(value, Scalar) and value.text in (None, "none"):
        return None
    return duration(reading, value)


def cpu(reading: Reading, value: Value) -> int:
    return _parsed(reading, value, wanted="an amount of CPU", example="2 or 500m", parse=parse_cpu, default=0)


def size(reading: Reading, value: Value) -> int:
    return _parsed(reading, value, wanted="a size", example="512Mi or 4Gi", parse=parse_mib, default=0)


def price(reading: Reading, value: Value) -> PicoUsd:
    return _parsed(
        reading, value, wanted="a price in US dollars", example='"0.12"', parse=parse_usd, default=PicoUsd(0)
    )


def pairs(reading: Reading, value: Value) -> tuple[tuple[str, str], ...]:
    """`name: text` pairs in their order: labels, and the settings of a driver."""
    if not isinstance(value, Table):
        reading.wrong(value, f"Expected a mapping, not {_kind(value)}.", "Write `name: value` pairs.")
        return ()
    out: list[tuple[str, str]] = []
    for entry in value.entries:
        if isinstance(entry.value, Scalar):
            out.append((entry.name, entry.value.text or ""))
        else:
            reading.wrong(entry.value, "Expected plain text.", "Write one value, in quotes if necessary.")
    return tuple(out)


def labels(reading: Reading, value: Value) -> tuple[tuple[str, str], ...]:
    """Pairs whose names are the user's own."""
    own = pairs(reading, value)
    for name, _ in own:
        if name.startswith(RESERVED):
            reading.wrong(
                value,
                f"Labels that begin with {RESERVED} are reserved for Herder.",
                f"Rename {name!r}; GPUs have gpu_model and gpu_parts.",
            )
    return own


def role(
    reading: Reading, value: Value, known: Sequence[str] = tuple(ROLES), default: Role = Role.USER
) -> Role:
    """`known`: those that can be written here."""
    raw = text(reading, value)
    if raw in known:
        return ROLES[raw]
    if raw:
        reading.wrong(value, f"{raw[:50]!r} is not a role here.", did_you_mean(raw, known))
    return default


def choice(reading: Reading, value: Value, kind: type[E], default: E) -> E:
    raw = _scalar(reading, value, "one of " + ", ".join(kind), str(default))
    if raw is None:
        return default
    try:
        return kind(raw)
    except ValueError:
        reading.wrong(
            value, f"{raw!r} is not a possible value.", did_you_mean(raw, [each.value for each in kind])
        )
        return default


def listing(reading: Reading, value: Value) -> tuple[Value, ...]:
    if isinstance(value, Listing):
        return value.items
    reading.wrong(
        value,
        f"Expected a list, not {_kind(value)}.",
        "Write each item on a line of its own that begins with `- `.",
    )
    return ()


def table(reading: Reading, value: Value) -> Table:
    if isinstance(value, Table):
        return value
    reading.wrong(value, f"Expected a mapping, not {_kind(value)}.", "Write `name: value` pairs.")
    return Table(place=value.place, key=value.key, entries=())


def known_only(reading: Reading, value: Table, known: Sequence[str]) -> list[Entry]:
    """The entries whose names are known; a problem with a suggestion for each of the others."""
    good: list[Entry] = []
    for entry in value.entries:
        if entry.name in known:
            good.append(entry)
        else:
            remedy = did_you_mean(entry.name, known)
            reading.problem(entry.place, entry.value.key, "There is no such setting.", remedy)
    return good


def program_name(reading: Reading, place: Place, key: str, raw: str) -> str:
    if not _PROGRAM_NAME.fullmatch(raw):
        reading.problem(
            place,
            key,
            f"{raw[:50]!r} is not a valid name.",
            "Use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter.",
        )
    return raw


def named_tables(reading: Reading, value: Value, of_programs: bool = False) -> list[tuple[Entry, Table]]:
    """A section of named things, written as `name: {…}` or as a list of `{name: …}`. `of_programs`: names may have underscores."""
    check = program_name if of_programs else checked_name
    if isinstance(value, Scalar) and value.text is None:
        return []
    out: list[tuple[Entry, Table]] = []
    if isinstance(value, Listing):
        for item in value.items:
            inner = table(reading, item)
            given = inner.get("name")
            if given is None:
                reading.wrong(item, "The entry has no name.", "Write `- name: …` as its first line.")
            else:
                word = check(reading, given.place, given.key, text(reading, given))
                out.append((Entry(place=given.place, name=word, value=item), inner))
        return out
    for entry in table(reading, value).entries:
        check(reading, entry.place, entry.value.key, entry.name)
        empty = isinstance(entry.value, Scalar) and entry.value.text is None
        nothing = Table(place=entry.place, key=entry.value.key, entries=())
        out.append((entry, nothing if empty else table(reading, entry.value)))
    return out
