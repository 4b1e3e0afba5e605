"""Chance of the simulated world: one stream of numbers for each purpose, all from one seed.

A stream that is asked once more moves no other one: leaving out one kind of fault leaves the rest of a run much as it was. The same
on every machine and with every version of Python.
"""

import zlib
from collections.abc import Sequence
from typing import TypeVar

from herder.simulate.world.rng import Draws

_T = TypeVar("_T")


class Chance(Draws):
    """With the methods of `random.Random` that are used; also what agents draw from."""

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
    # Mixed before it is used: seeds that follow one another would else give one sequence, shifted by one.
    return Chance(Draws(Draws(seed).whole() ^ zlib.crc32(purpose.encode())).whole())
