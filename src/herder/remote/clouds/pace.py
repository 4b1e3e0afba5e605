"""How fast a provider is called, and how long is waited between tries. Used by `client`, from any thread.

Waiting is a function that is given, so that tests and the simulated world wait for nothing.
"""

import threading
from collections.abc import Callable

from herder.model.fleet.driver import DriverClock

Pause = Callable[[float], None]
FIRST_S = 0.25
LONGEST_S = 8.0


def pause_s(turn: int) -> float:
    """Before try `turn` + 1, doubled each time. Callers of one provider are few, so that no jitter is needed."""
    return min(LONGEST_S, FIRST_S * 2.0 ** min(turn, 10))


class Pace:
    """At most `per_s` calls in a second over time, and `burst` of them at once."""

    def __init__(self, per_s: float, burst: float, clock: DriverClock) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._lock = threading.Lock()
        self._left = burst
        self._at_ms = clock.monotonic_ms()

    def take(self) -> float:
        """Reserves a call. Answers how many seconds to wait before it."""
        with self._lock:
            now_ms = self._clock.monotonic_ms()
            self._left = min(self._burst, self._left + (now_ms - self._at_ms) / 1000 * self._per_s)
            self._at_ms = now_ms
            self._left -= 1
            return max(0.0, -self._left / self._per_s)

    def give_back(self) -> None:
        """The call is not made."""
        with self._lock:
            self._left += 1
