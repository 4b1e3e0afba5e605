"""A cluster on an event loop: its time is the loop's, and its controllers run when they are due.

The loop may be a real one or one whose time jumps; `scale` makes the cluster's time faster than the loop's. Everything here is called from
the loop's thread.
"""

import asyncio
import contextvars

from herder.testing.kubernetes.api.answers import Answer, Request
from herder.testing.kubernetes.api.watches import Watch
from herder.testing.kubernetes.cluster import Cluster


class LoopClock:
    """Milliseconds since the epoch: a start, and what the loop's time has moved since."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ms: int, scale: float = 1.0) -> None:
        self._loop, self._start_ms, self._scale = loop, start_ms, scale
        self._began_s = loop.time()

    def now_ms(self) -> int:
        return self._start_ms + int((self._loop.time() - self._began_s) * 1000 * self._scale)

    def wait_s(self, wait_ms: int) -> float:
        """How long the loop waits for so much of the cluster's time."""
        return wait_ms / 1000 / self._scale


class Running:
    def __init__(self, cluster: Cluster, loop: asyncio.AbstractEventLoop, clock: LoopClock) -> None:
        self.cluster, self.loop, self.clock = cluster, loop, clock
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._closed = False
        self._context = contextvars.copy_context()
        """Of its own: in the simulated world a timer belongs to the host that set it, and ends with it."""
        self.failure: BaseException | None = None
        """What a controller raised: the cluster does nothing more."""

    def request(self, request: Request) -> Answer | Watch:
        """Raises Away."""
        if self.failure is not None:
            raise self.failure
        found = self.cluster.request(request, self.clock.now_ms())
        self.poke()
        return found

    def poke(self) -> None:
        """Something may have changed: let the controllers look, after what runs now."""
        if self._soon is None and not self._closed:
            self._soon = self.loop.call_soon(self._step, context=self._context)

    def close(self) -> None:
        self._closed = True
        self.cluster.close()
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()

    def _step(self) -> None:
        self._soon = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed:
            return
        try:
            next_ms = self.cluster.step(self.clock.now_ms())
        except Exception as error:
            self.failure = error
            raise
        if next_ms is not None:
            wait_ms = max(1, next_ms - self.clock.now_ms())
            self._timer = self.loop.call_later(self.clock.wait_s(wait_ms), self._step, context=self._context)
