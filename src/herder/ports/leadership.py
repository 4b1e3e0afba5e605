"""Leadership as a port: whether this server may act now, and which servers the installation has.

Asked by the kernel before each call to a driver, by the HTTP front before each answer, and by status and metrics. Implemented by
`server/candidate.py` on PostgreSQL; a server that cannot have a rival is `Alone`. It must never wait for anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNote:
    """A server of the installation, as its row says. Times are the database's."""

    id: str
    url: str
    holder: str
    """Process and host, for people."""
    version: str
    started_at_ms: int
    seen_ms: int
    """Since it was last heard of, in milliseconds."""
    leads: bool


class Leadership(Protocol):
    """Of one server. Called from the event loop, and `holds` from the threads of drivers too."""

    @property
    def epoch(self) -> int:
        """Raised by each server that takes over; 0: it is not known."""

    @property
    def as_of_ms(self) -> int | None:
        """The time of what this server shows, if that is not now: no leader answers, and it was read from the store."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Of all servers that live, the leader's first; one or none where there is only one. Another object only when it is another list."""

    def holds(self) -> bool:
        """False: the lease may have ended by now, so nothing is answered, handed out or asked of a driver."""

    def servers(self) -> Sequence[ServerNote]:
        """The leader first; empty where there can be only one."""


class Alone:
    """A server whose store no other can open."""

    epoch = 0
    as_of_ms: int | None = None
    addresses: tuple[str, ...] = ()

    def holds(self) -> bool:
        return True

    def servers(self) -> Sequence[ServerNote]:
        return ()
