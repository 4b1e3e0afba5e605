"""The clocks of the simulated world: monotonic time is that of the loop, and each wall clock can be set."""

from herder.simulate.chaos.hosts.loop import VirtualLoop

EPOCH_MS = 1_700_000_000_000
#: Where monotonic clocks begin: any number.
BOOTED_MS = 12_345_678


class VirtualClock:
    """`ports.clock.Clock`, of one machine."""

    def __init__(self, loop: VirtualLoop, ahead_ms: int = 0) -> None:
        self._loop = loop
        self.wall_ahead_ms = ahead_ms

    def now_ms(self) -> int:
        return EPOCH_MS + self.wall_ahead_ms + int(self._loop.now_s * 1000)

    def monotonic_ms(self) -> int:
        return BOOTED_MS + int(self._loop.now_s * 1000)

    def true_ms(self) -> int:
        """The time of providers, whose clocks are never set."""
        return int(self._loop.now_s * 1000)

    def set_wall(self, by_s: float) -> None:
        self.wall_ahead_ms += int(by_s * 1000)
