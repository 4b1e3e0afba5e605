"""A drain that is under way: until when attempts may run, and whether the worker stays or is terminated when it is empty.

Made by `engine/workers/`, stored with the worker, read by everything that shows it. It knows no worker and no pool.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class OnBlocked(StrEnum):
    """What happens when the deadline of a drain has passed and attempts still run."""

    WAIT = "wait"
    """They run on; the drain is reported as blocked."""
    FORCE = "force"
    """They are ended and retried on other workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """The names of these fields are stored in the column `drain` of workers."""

    since_ms: int
    deadline_ms: int
    """Attempts may run until then; the time in which the server was away is added (`WorkerLife.excused_ms`)."""
    keep: bool = False
    """Whether the worker stays when it is empty, until a person uncordons or removes it."""
    attempts: int = 0
    """How many were live when it began."""
    by_hand: bool = False
    """Whether a person asked for it, so that a person may end it."""
    empty_at_ms: int | None = None
    """When the last attempt had ended, on a worker that stays."""
    blocked_at_ms: int | None = None
    alarmed_at_ms: int | None = None
    """When it was last recorded as an event that it is blocked."""
    timeout_ms: int | None = None
    """How long it was ordered to last when its deadline was set: the same order again changes nothing. None: by an older version."""

    def moved(self, by_ms: int) -> "Drain":
        """The clock was set by so much."""
        return replace(
            self,
            since_ms=self.since_ms + by_ms,
            deadline_ms=self.deadline_ms + by_ms,
            empty_at_ms=_moved(self.empty_at_ms, by_ms),
            blocked_at_ms=_moved(self.blocked_at_ms, by_ms),
            alarmed_at_ms=_moved(self.alarmed_at_ms, by_ms),
        )

    def until(self, deadline_ms: int, timeout_ms: int) -> "Drain":
        """With another deadline, by which it is judged anew."""
        return replace(
            self, deadline_ms=deadline_ms, timeout_ms=timeout_ms, blocked_at_ms=None, alarmed_at_ms=None
        )

    def lasts(self, timeout_ms: int) -> bool:
        """Whether this is what was ordered already."""
        ordered_ms = self.deadline_ms - self.since_ms if self.timeout_ms is None else self.timeout_ms
        return timeout_ms == ordered_ms


def _moved(at_ms: int | None, by_ms: int) -> int | None:
    return None if at_ms is None else at_ms + by_ms
