"""Pressure: the measured CPU and memory use of a pool's workers, and the rule that adds workers. Data only.

A `Pressure` is what people write; a `WorkerUse` is what an agent says of its worker. Data only; `decide/scaling/signals/pressure.py`
draws the conclusions.
"""

from dataclasses import dataclass
from enum import StrEnum

#: Where nothing else is said, growth leads to this part of the threshold, and shrinking stops there: 70 % below 80 %.
TARGET_OF_THRESHOLD = 0.875
#: An older sample says nothing about now: three beats of the slowest worker.
FRESH_MS = 30_000
#: Of a node: it is asked for every 30 s, and is a minute old when it comes.
FRESH_ON_NODES_MS = 120_000


class Measured(StrEnum):
    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """More workers when more than `above` of the pool's capacity has been in use for `for_s`. `target`: what is left in use
    after growing, and what shrinking may lead to; None: `TARGET_OF_THRESHOLD` of `above`."""

    above: float
    for_s: float = 300.0
    target: float | None = None

    @property
    def leads_to(self) -> float:
        return self.above * TARGET_OF_THRESHOLD if self.target is None else self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerUse:
    """What a worker's processes used of it: CPU on average since the sample before, memory at the time."""

    cpu_milli: int
    memory_mib: int
    at_ms: int

    def of(self, measured: Measured) -> int:
        return self.cpu_milli if measured is Measured.CPU else self.memory_mib
