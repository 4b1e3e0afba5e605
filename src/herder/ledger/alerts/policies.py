"""Policies of alerts: at which amounts which level is raised, who is told, and what is done about it. Pure.

Amounts are whole base units (`ledger/lines.py`), tokens, or pico-USD: whatever the readings of the policy are in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Level(IntEnum):
    """In the order in which they are raised."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3
    EMERGENCY = 4

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> "Level":
        """Raises KeyError."""
        return cls[word.upper()]


#: By the number of thresholds that a budget has.
_LEVELS_OF = {
    1: (Level.WARNING,),
    2: (Level.WARNING, Level.EMERGENCY),
    3: (Level.WARNING, Level.CRITICAL, Level.EMERGENCY),
    4: tuple(Level),
}


class Action(StrEnum):
    """What holds as long as a threshold is exceeded."""

    NOTIFY = "notify"
    DEFER_LOW_PRIORITY = "defer_low_priority"
    THROTTLE = "throttle"
    SPOT_ONLY = "spot_only"
    STOP_NON_CRITICAL = "stop_non_critical"


class Once(StrEnum):
    """How often a threshold is raised."""

    PERIOD = "period"
    """Once in each period, also when the use falls and rises again: of budgets, which add up."""
    EPISODE = "episode"
    """Again after it has fallen below the threshold and the cooldown has passed: of what is measured, such as a fill level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    level: Level
    at: int
    """Percent of the limit of the reading, or an amount (`Policy.absolute`)."""
    actions: frozenset[Action] = frozenset()
    recipients: tuple[str, ...] = ()
    """Names of channels; empty: it is recorded, and nobody is told."""
    advice: tuple[str, ...] = ()
    """Sentences for the person who is told; `{name}` is the name of the subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`absolute`: thresholds are amounts; else percent of the limit. Raises ValueError where it contradicts itself. `scope`: the kind of subject: `division`, `pool`, `tier`, `organization`."""

    id: str
    scope: str
    resource: str
    """In what its amounts are: `tokens`, `cpu`, `storage`, `network.egress`, `usd`."""
    thresholds: tuple[Threshold, ...]
    absolute: bool = False
    once: Once = Once.PERIOD
    cooldown_ms: int = 30 * MINUTE_MS
    escalates_after_ms: int = 30 * MINUTE_MS
    chain: tuple[str, ...] = ()
    """Who is told in turn while nobody has acknowledged it."""

    def __post_init__(self) -> None:
        levels = [each.level for each in self.thresholds]
        amounts = [each.at for each in self.thresholds]
        if not levels:
            raise ValueError(f"alert {self.id} has no threshold; write at least one")
        if amounts[0] <= 0:
            raise ValueError(f"alert {self.id} has a threshold of {amounts[0]}; write 1 or more")
        if levels != sorted(set(levels)) or amounts != sorted(set(amounts)):
            raise ValueError(
                f"the thresholds of alert {self.id} are not in order; each level needs more than the one below it"
            )
        if self.cooldown_ms < 0 or self.escalates_after_ms <= 0:
            raise ValueError(f"alert {self.id} has a negative cooldown, or escalates at once")

    def amount(self, threshold: Threshold, limit: int | None) -> int | None:
        """From this use on it is exceeded. None: the threshold is a part of a limit, and there is none."""
        if self.absolute:
            return threshold.at
        return None if limit is None or limit <= 0 else -(-limit * threshold.at // 100)

    def at_percents(self, percents: Sequence[int]) -> "Policy":
        """With the thresholds of one budget. One is a warning, the last of several an emergency; of none, and of more than there are levels, the policy's own are used."""
        levels = _LEVELS_OF.get(len(percents), ())
        found = [(self.threshold(level), at) for level, at in zip(levels, percents, strict=False)]
        own = tuple(replace(each, at=at) for each, at in found if each is not None)
        return replace(self, thresholds=own) if own else self

    def threshold(self, level: Level) -> Threshold | None:
        return next((each for each in self.thresholds if each.level is level), None)
