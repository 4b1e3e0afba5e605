"""From what each round took to ratios with their spread. Pure.

A ratio is Herder's figure divided by the peer's, of the same round: what else the machine did then meets both. Rates and
latencies of single runs are not reported, because they say more of the machine than of the programs.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import percentile
from bench.peers.peer import Took, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one run of jobs took. `cpu_s` is of all processes."""

    work: Work
    jobs: int
    took: Took
    cpu_s: float

    def measures(self) -> dict[str, float]:
        """By name. Jobs that are started one at a time say nothing of rate, nor of CPU: most of it is waiting."""
        if self.work is Work.START:
            return {"submit to start p50": percentile(self.took.waits_ms, 50)}
        return {"rate": self.jobs / self.took.wall_s, "CPU per job": self.cpu_s / self.jobs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    peer: str
    work: Work
    measure: str
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.rounds), max(self.rounds)


def ratios(peer: str, rounds: Sequence[tuple[Sequence[Sample], Sequence[Sample]]]) -> list[Ratio]:
    """Of each round the samples of Herder and those of the peer. A measure that is zero in one round, as CPU that is too
    short for the clock, has no ratio and is omitted."""
    found: dict[tuple[Work, str], list[float]] = {}
    for herder, other in rounds:
        ours = {sample.work: sample.measures() for sample in herder}
        for sample in other:
            for measure, value in sample.measures().items():
                mine = ours[sample.work][measure]
                if value > 0 and mine > 0:
                    found.setdefault((sample.work, measure), []).append(mine / value)
    return [
        Ratio(peer=peer, work=work, measure=measure, rounds=tuple(values))
        for (work, measure), values in found.items()
        if len(values) == len(rounds)
    ]
