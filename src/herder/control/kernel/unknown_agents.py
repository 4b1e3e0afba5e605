"""Agents that call with a token that no worker has: counted, never trusted. In memory only.

Most of them call once and leave, because their worker was removed. One that goes on calling is told to people: it was not stopped, or it
belongs to a worker of which the store knows nothing.
"""

from dataclasses import dataclass, field

#: Tokens that are remembered, by their hash.
KEPT_MAX = 1_000
#: An agent that still calls after this long does not leave by itself.
STAYS_MS = 60_000
#: One that has not called for this long is forgotten.
FORGET_MS = 600_000
#: Between two events.
TELL_AGAIN_MS = 600_000


@dataclass(slots=True, kw_only=True)
class Stranger:
    first_ms: int
    last_ms: int


@dataclass(slots=True)
class UnknownAgents:
    """Times are monotonic."""

    calls: int = 0
    seen: dict[str, Stranger] = field(default_factory=dict)
    _told_ms: int | None = None

    def note(self, token_hash: str, now_ms: int) -> bool:
        """Whether people should be told now."""
        self.calls += 1
        known = self.seen.pop(token_hash, None)
        if known is None:
            known = Stranger(first_ms=now_ms, last_ms=now_ms)
            while len(self.seen) >= KEPT_MAX:
                del self.seen[next(iter(self.seen))]
        known.last_ms = now_ms
        self.seen[token_hash] = known  # the latest at the end
        stays = now_ms - known.first_ms >= STAYS_MS
        if not stays or (self._told_ms is not None and now_ms - self._told_ms < TELL_AGAIN_MS):
            return False
        self._told_ms = now_ms
        return True

    def staying(self, now_ms: int) -> int:
        """How many go on calling."""
        old = [key for key, each in self.seen.items() if now_ms - each.last_ms >= FORGET_MS]
        for key in old:
            del self.seen[key]
        return sum(each.last_ms - each.first_ms >= STAYS_MS for each in self.seen.values())
