"""The story of a violation: events that name its objects, and the mishaps of the two hours before it."""

import re
from collections.abc import Iterable

from herder.simulate.chaos.rules.violation import Violation

LINES_MOST = 60
MISHAPS_BEFORE_S = 7_200.0
_NAME = re.compile(r"[a-z][a-z0-9]*-\d+-\d+|(?<=[Jj]ob )\d+|(?<=[Bb]atch )\d+|(?<=[Pp]ool )[a-z0-9-]+")
_MISHAPS = frozenset(
    {
        "server starts", "server is killed", "server dies at", "server ends", "stale server ends", "stopped", "machine is lost", "machine is off", "denied", "lists what was",
        "cut off", "the server's clock is set", "sold out", "is announced to be taken back", "spot machines are taken back", "does not answer", "capacity shrinks",
    }
)  # fmt: skip


def story_of(events: Iterable[tuple[float, tuple[object, ...]]], violation: Violation) -> list[str]:
    names = set(_NAME.findall(violation.text))
    told = [
        (at_s, what)
        for at_s, what in events
        if at_s <= violation.at_s and (_about(what, names) or _struck(at_s, what, violation.at_s))
    ]
    return [f"{_clock(at_s)}  {' '.join(str(each) for each in what)}" for at_s, what in told[-LINES_MOST:]]


def _about(what: tuple[object, ...], names: set[str]) -> bool:
    return any(str(each) in names for each in what)


def _struck(at_s: float, what: tuple[object, ...], end_s: float) -> bool:
    return at_s >= end_s - MISHAPS_BEFORE_S and what[0] in _MISHAPS


def _clock(at_s: float) -> str:
    day, rest = divmod(int(at_s), 86_400)
    return f"day {day + 1} {rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
