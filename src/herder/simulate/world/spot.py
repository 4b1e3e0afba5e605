"""Interruptions of spot machines from a real record: each drop of the record interrupts the same share of the simulated machines.

Made from a trace of format `spot_events` or `spot_count`; asked by the world. A record shorter than the simulation is
repeated.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class SpotSeries:
    """`drops`: (seconds since the start, share of the machines that goes), in order. `length_s`: then it begins anew."""

    drops: tuple[tuple[float, float], ...]
    length_s: float

    @property
    def first_s(self) -> float:
        return self.drops[0][0]

    def drop_at(self, now_s: float) -> tuple[float, float | None]:
        """The share that goes now, and when the next drop is."""
        times = [at_s for at_s, _ in self.drops]
        turn, within_s = divmod(now_s, self.length_s)
        place = bisect_right(times, within_s + 1e-6) - 1
        share = self.drops[place][1]
        if place + 1 < len(times):
            return share, turn * self.length_s + times[place + 1]
        return share, (turn + 1) * self.length_s + times[0]


def spot_series(levels: Sequence[tuple[float, int]]) -> SpotSeries | None:
    """From (time, machines that are live); None when none ever goes."""
    start_s = levels[0][0] if levels else 0.0
    drops: dict[float, float] = {}
    for (_, before), (at_s, after) in pairwise(levels):
        if after < before:
            share = (before - after) / before
            passed_s = at_s - start_s
            drops[passed_s] = 1.0 - (1.0 - drops.get(passed_s, 0.0)) * (1.0 - share)
    if not drops:
        return None
    return SpotSeries(tuple(sorted(drops.items())), max(levels[-1][0] - start_s, *drops) + 1.0)
