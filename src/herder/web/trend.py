"""The figures of the dashboard for the last 15 minutes, one sample a second, in memory only.

`app.py` makes one `Trend`, runs `sample` beside the other loops and hands it to `routes.router`. Reads the engine's memory,
never the database; a restart begins a new trend.
"""

import asyncio
from collections import deque
from typing import NamedTuple

from herder.control.kernel.core import Core
from herder.control.reads.port import Reads

#: Between two samples: fine enough to see a scale-up, coarse enough to cost nothing.
PERIOD_S = 1.0
#: Samples kept: 15 minutes, about 100 KB.
SAMPLES_MAX = 900


class Sample(NamedTuple):
    at_ms: int
    desired: int
    actual: int
    ready: int
    queued: int
    running: int
    price_pico_per_hour: int


class Trend:
    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES_MAX)

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(self._samples)

    def add(self, sample: Sample) -> None:
        self._samples.append(sample)

    def since(self, at_ms: int) -> list[Sample]:
        """Those that are younger than `at_ms`, oldest first."""
        found: list[Sample] = []
        for each in reversed(self._samples):
            if each.at_ms <= at_ms:
                break
            found.append(each)
        return found[::-1]

    async def sample(self, core: Core) -> None:
        """Runs until cancelled."""
        reads = Reads(core)
        while True:
            self.add(measure(reads, reads.now_ms()))
            await asyncio.sleep(PERIOD_S)


def measure(reads: Reads, at_ms: int) -> Sample:
    return Sample(at_ms, *reads.figures())
