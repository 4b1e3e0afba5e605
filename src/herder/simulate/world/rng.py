"""Random numbers from a seed: the same on every machine and with every version of Python. Used by boots and interruptions.

SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.
"""

import math

_MASK = (1 << 64) - 1


class Draws:
    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def whole(self) -> int:
        """64 bits."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return mixed ^ (mixed >> 31)

    def unit(self) -> float:
        """Evenly in [0, 1)."""
        return (self.whole() >> 11) / (1 << 53)

    def normal(self) -> float:
        """Mean 0, deviation 1 (Box and Muller)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.unit()))
        return radius * math.cos(2.0 * math.pi * self.unit())
