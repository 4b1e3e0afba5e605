"""Converts a series of levels to jobs whose running counts are exactly that series. Used by the readers of demand and of spot records.

When the level rises, jobs of one unit begin; when it falls, the oldest end. Levels hold until the next time.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from herder.model.values.resources import Resources
from herder.simulate.traces.trace import TraceJob

#: The highest level: each unit of it is a job.
LEVEL_MAX = 1_000_000


def jobs_of_levels(
    levels: Sequence[tuple[float, int]], unit: Resources, *, limit: int | None = None
) -> list[TraceJob]:
    """Whoever is there at the end stays for as long as the mean step between two levels."""
    begun: deque[float] = deque()
    jobs: list[TraceJob] = []
    for at_s, level in levels:
        for _ in range(level - len(begun)):
            begun.append(at_s)
        for _ in range(len(begun) - level):
            start_s = begun.popleft()
            if at_s > start_s:
                jobs.append(TraceJob(arrival_s=start_s, run_s=at_s - start_s, request=unit))
        if limit is not None and len(jobs) >= limit:
            return jobs[:limit]
    if begun:
        steps = [later - earlier for (earlier, _), (later, _) in pairwise(levels)]
        end_s = levels[-1][0] + (sum(steps) / len(steps) if steps else 1.0)
        jobs += [TraceJob(arrival_s=start_s, run_s=end_s - start_s, request=unit) for start_s in begun]
    return jobs if limit is None else jobs[:limit]
