"""Random numbers of the simulated world: one stream for each purpose, all from one seed.

One more draw from a stream changes no other stream, so a run without one kind of fault stays similar. The numbers are the same on every
machine and in every version of Python.
"""

import zlib
from collections.abc import Sequence
from typing import TypeVar

from herder.simulate.world.rng import Draws

_T = TypeVar("_T")


class Chance(Draws):
    """The methods of `random.Random` that the world and its agents use."""

    __slots__ = ()

    def random(self) -> float:
        return self.unit()

    def uniform(self, least: float, most: float) -> float:
        return least + (most - least) * self.unit()

    def randrange(self, stop: int) -> int:
        return self.whole() % stop

    def randint(self, least: int, most: int) -> int:
        return least + self.randrange(most - least + 1)

    def choice(self, among: Sequence[_T]) -> _T:
        return among[self.randrange(len(among))]

    def getrandbits(self, bits: int) -> int:
        found = 0
        for _ in range(0, bits, 64):
            found = found << 64 | self.whole()
        return found & ((1 << bits) - 1)


def stream(seed: int, purpose: str) -> Chance:
    # The seed is mixed first: otherwise consecutive seeds give the same sequence, shifted by one.
    return Chance(Draws(Draws(seed).whole() ^ zlib.crc32(purpose.encode())).whole())
