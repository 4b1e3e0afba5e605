"""The clock as a port. Waiting is not part of it: it belongs to the event loop, whose time a simulated world replaces."""

from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC. It may step forwards and backwards: for what is recorded and shown only."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back, from an arbitrary start. All deadlines use this clock."""
