"""The agent's only sources of time and randomness. Nothing else in `herder.agent` may read a clock or draw a random number.

Durations inside the agent are measured with the event loop's own clock (`loop.time()`), which tests can replace.
"""

import random
import time
from typing import Protocol


class Chance(Protocol):
    """Where chance comes from: `random.Random` is one."""

    def getrandbits(self, bits: int, /) -> int: ...

    def uniform(self, least: float, most: float, /) -> float: ...


#: What no other process can guess or repeat.
ENTROPY: Chance = random.SystemRandom()


class SystemClock:
    """This machine's clocks (`ports.clock.Clock`)."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


CLOCK = SystemClock()


def now_ms() -> int:
    """Wall clock, milliseconds since the epoch: for what is reported, never for measuring a duration."""
    return time.time_ns() // 1_000_000


def nonce(chance: Chance = ENTROPY) -> str:
    """A number that no other agent process has: makes a repeated activation harmless."""
    return f"{chance.getrandbits(128):032x}"


class BackOff:
    """Waiting times that double from `first_s` to `most_s`, each cut by up to half at random so that workers spread."""

    __slots__ = ("_chance", "_first_s", "_most_s", "_next_s")

    def __init__(self, first_s: float, most_s: float, chance: Chance = ENTROPY) -> None:
        self._chance = chance
        self._first_s = self._next_s = first_s
        self._most_s = most_s

    def next_s(self) -> float:
        wait_s = self._next_s
        self._next_s = min(self._most_s, wait_s * 2)
        return wait_s * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._next_s = self._first_s
