"""An interruption notice: the provider has said when it takes a worker's machine back.

Made by `engine/workers/notices.py`, stored with the worker's health, read by whatever shows it. It knows no worker and no pool.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class NoticeSource(StrEnum):
    """Who has told us."""

    AGENT = "agent"
    DRIVER = "driver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The names of these fields are stored."""

    since_ms: int
    """When it was heard of first."""
    at_ms: int
    """When the machine is taken back, by the server's clock; a later notice can only make it earlier."""
    source: NoticeSource
    dismissed: bool = False
    """A person has ended the drain all the same: repeats of this notice begin none."""

    def moved(self, by_ms: int) -> "Notice":
        """The clock was set by so much."""
        return replace(self, since_ms=self.since_ms + by_ms, at_ms=self.at_ms + by_ms)
