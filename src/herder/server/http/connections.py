"""The open connections of a server: to whom each belongs, and which are closed. Limits in number and time, with and without a valid
token.

Used by `http_protocol.py`, one `Connections` for a server. A new connection is never refused for the sake of an old one that
has had no valid token: the oldest such is closed. It must never look into what is sent.
"""

import asyncio
import ipaddress
import resource
from dataclasses import dataclass, field
from typing import Protocol

#: Descriptors that the process may hold, if its hard limit allows: more than there are connections.
DESCRIPTORS_WANTED = 65_536
#: Of them, kept for the store, drivers and local workers.
DESCRIPTORS_KEPT = 256
#: How often connections are looked at for what takes too long.
LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of the HTTP front. `docs/limits.md` lists them."""

    connections_max: int = 20_000
    """Open at a time; less where the limit of file descriptors is lower."""
    strangers_per_address_max: int = 256
    """From one address, as long as no good token came over them."""
    per_owner_max: int = 512
    """Of one user, or one worker."""
    head_bytes_max: int = 64 * 2**10
    """Request line and headers."""
    headers_max: int = 128
    head_s: float = 10.0
    """From the first byte of a head, or the beginning of a connection, to its end."""
    body_grace_s: float = 15.0
    body_bytes_per_s: int = 16 * 2**10
    """A body may take the grace, and then as long as it comes at this rate on average."""
    answer_stuck_s: float = 60.0
    """An answer of which nothing more can be sent for so long is given up."""
    unsent_bytes_max: int = 256 * 2**20
    """Of all answers that wait to be taken; beyond it the largest are given up."""
    idle_s: float = 120.0
    """Between two calls: longer than a worker is silent."""
    stranger_idle_s: float = 15.0
    pipeline_max: int = 16
    """Calls sent ahead on one connection."""
    tls_handshake_s: float = 10.0


class Watched(Protocol):
    """A connection, as it is watched."""

    address: str

    def overdue(self, now_s: float) -> bool:
        """Whether it has taken too long over what it is at."""

    def unsent(self) -> int:
        """Bytes of an answer that its other side does not take; 0 as long as it takes them."""

    def cut(self) -> None:
        """End it now."""


@dataclass(slots=True)
class Connections:
    """By group, the oldest first. A group is an address, as long as a connection is a stranger's, then an owner."""

    limits: HttpLimits
    most: int
    groups: dict[str, dict[Watched, None]] = field(default_factory=dict)
    of: dict[Watched, str] = field(default_factory=dict)
    strangers: dict[Watched, None] = field(default_factory=dict)

    def admit(self, new: Watched) -> bool:
        """False: there are too many, and none may go for it."""
        if len(self.of) >= self.most:
            oldest = next(iter(self.strangers), None)
            if oldest is None:
                return False
            self._end(oldest)
        self.strangers[new] = None
        self._join(new, f"address/{_network(new.address)}", self.limits.strangers_per_address_max)
        return True

    def own(self, one: Watched, owner: str) -> None:
        """A good token of `owner` came over it."""
        if self.of.get(one) == owner or one not in self.of:
            return
        self.strangers.pop(one, None)
        self._part(one)
        self._join(one, owner, self.limits.per_owner_max)

    def leave(self, one: Watched) -> None:
        """It is closed. Harmless when it has gone before."""
        self.strangers.pop(one, None)
        self._part(one)

    def look(self, now_s: float) -> None:
        """Cut what takes too long."""
        for one in [one for one in self.of if one.overdue(now_s)]:
            self._end(one)
        unsent = {one: size for one in self.of if (size := one.unsent())}
        over = sum(unsent.values()) - self.limits.unsent_bytes_max
        for one in sorted(unsent, key=lambda one: -unsent[one]):
            if over <= 0:
                return
            over -= unsent[one]
            self._end(one)

    async def watch(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(loop.time())

    def _join(self, one: Watched, group: str, most: int) -> None:
        members = self.groups.setdefault(group, {})
        members[one] = None
        self.of[one] = group
        if len(members) > most:
            self._end(next(iter(members)))

    def _part(self, one: Watched) -> None:
        group = self.of.pop(one, None)
        if group is not None:
            members = self.groups[group]
            del members[one]
            if not members:
                del self.groups[group]

    def _end(self, one: Watched) -> None:
        self.leave(one)
        one.cut()


def _network(address: str) -> str:
    """Whoever has an IPv6 address has all of its /64."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


def raise_descriptors() -> int:
    """Allow this process as many file descriptors as it may have, up to what it can use; answers how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return DESCRIPTORS_WANTED if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def connections_for(limits: HttpLimits, descriptors: int) -> Connections:
    """With few descriptors half of them are kept for everything else."""
    room = descriptors - min(DESCRIPTORS_KEPT, descriptors // 2)
    return Connections(limits=limits, most=min(limits.connections_max, room))
