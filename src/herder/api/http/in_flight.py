"""Limits how much of large requests is handled at a time, between decoding a body and the commit of its changes.

Used by `RouteTable` around each write. The event loop does nothing else while it decodes and checks a body, and its rows are in memory until
they are committed: so requests share a bound in bytes and in objects, in the order in which they came. What is larger than the bound
is carried out alone; what is tiny does not wait. It must never be asked before the body is whole: a slow sender would hold up the others.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

#: Together at a time. Each alone takes the event loop some 10 ms: as many bytes, or as many objects (jobs, for example).
BYTES_MAX = 256 * 2**10
OBJECTS_MAX = 1_000
#: Weights are parts of this.
WHOLE = 1024
#: Below this weight a request does not wait: all connections of one user together take the loop 100 ms then.
TINY = 16
TINY_BYTES = 512


def weight_of(body: bytes | bytearray) -> int:
    """How much of the bounds it takes: 0 for a tiny one, `WHOLE` for one that is carried out alone."""
    size = len(body)
    if size <= TINY_BYTES:
        return 0
    weight = max(size * WHOLE // BYTES_MAX, body.count(b"{") * WHOLE // OBJECTS_MAX)
    return 0 if weight < TINY else min(weight, WHOLE)


@dataclass(slots=True)
class InFlight:
    used: int = 0
    _waiting: deque[tuple[int, "asyncio.Future[None]"]] = field(default_factory=deque)

    @asynccontextmanager
    async def admit(self, weight: int) -> AsyncIterator[None]:
        """Waits its turn; what it takes is given back with the block."""
        if self._waiting or not self._fits(weight):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((weight, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back(weight)
                raise
        else:
            self.used += weight
        try:
            yield
        finally:
            self._give_back(weight)

    def _fits(self, weight: int) -> bool:
        return self.used + weight <= WHOLE

    def _give_back(self, weight: int) -> None:
        self.used -= weight
        while self._waiting:
            weight, turn = self._waiting[0]
            if not turn.done():
                if not self._fits(weight):
                    return
                self.used += weight
                turn.set_result(None)
            self._waiting.popleft()
