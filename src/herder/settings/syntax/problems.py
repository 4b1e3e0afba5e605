"""A problem of settings as data: place, problem, remedy. Made by the readers and by `lint`, shown by the CLI.

Holds no rule itself and prints nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A point in a file. `line` and `column` count from 1; 0 = unknown (plain data that never was a file)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """`key` is the dotted path of the setting (`pools.burst.max_workers`); empty for a whole file."""

    place: Place
    key: str
    message: str
    remedy: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        subject = f"{self.key}: " if self.key else ""
        return f"{self.place}: {subject}{self.message} {self.remedy}"


class SettingsError(ValueError):
    """Settings that cannot be used. Carries every problem that was found, in the order of the files."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """` Did you mean …?` for the nearest known words, or the list of them when nothing is near."""
    near = get_close_matches(word, known, n=2, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(repr(each) for each in near) + "?"
    return "Possible values are " + ", ".join(sorted(known)) + "."
