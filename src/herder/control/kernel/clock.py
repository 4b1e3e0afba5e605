"""The only place of a server that reads the clocks. All other modules get a `Clock` or the time as an argument."""

import time

from herder.ports.clock import Clock


def now_ms() -> int:
    """Milliseconds since the epoch, UTC. For what has no `Core` yet; everything else asks `core.clock`."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of a clock that never goes back, for measuring durations."""
    return time.monotonic()


#: Linux has a monotonic clock that goes on while the machine sleeps: a night of sleep is then an absence, not a step of the wall.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """This machine's clocks (`ports.clock.Clock`)."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(_MONOTONIC) // 1_000_000


class SteadyClock:
    """The kernel's clock: the wall's time, moved on by the monotonic clock alone, so that it never steps by itself.

    Somebody sets the wall: `apart_ms` says how far it has gone, and `follow` takes that over, at the moment at which everything
    that remembers a time is moved along (`control/recovery/clock_watch.py`, `docs/decisions/0020-clocks-and-ports.md`).
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_ms = clock.now_ms() - clock.monotonic_ms()

    def now_ms(self) -> int:
        return self._clock.monotonic_ms() + self._ahead_ms

    def monotonic_ms(self) -> int:
        return self._clock.monotonic_ms()

    def apart_ms(self) -> int:
        """The wall's time minus ours."""
        return self._clock.now_ms() - self.now_ms()

    def follow(self, apart_ms: int) -> None:
        """From now on our time is `apart_ms` later (earlier, if negative)."""
        self._ahead_ms += apart_ms
