"""The clock of the simulated world: monotonic time is the loop's, the wall can be set."""

from tests.simulation.world.loop import VirtualLoop

EPOCH_MS = 1_700_000_000_000
#: Monotonic clocks begin anywhere.
BOOTED_MS = 12_345_678


class VirtualClock:
    """`ports.clock.Clock`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.wall_ahead_ms = 0

    def now_ms(self) -> int:
        return EPOCH_MS + self.wall_ahead_ms + int(self._loop.time() * 1000)

    def monotonic_ms(self) -> int:
        return BOOTED_MS + int(self._loop.time() * 1000)

    def true_ms(self) -> int:
        """The world's own time: for providers, whose clocks nobody sets."""
        return int(self._loop.time() * 1000)

    def set_wall(self, by_s: float) -> None:
        self.wall_ahead_ms += int(by_s * 1000)
