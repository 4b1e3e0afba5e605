"""Jobs that have ended and whose traces are to be exported: a bounded queue of their numbers, filled after each commit.

Filled by `tallies.py`, emptied by the loop of traces. In memory: what waits when the server stops is not exported. What finds no place is
dropped and counted, whatever the collector does.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from herder.ports.traces import TraceExporter

QUEUE_MAX = 10_000
#: Of 2³² by the golden ratio: spreads numbers that follow one another evenly, so that of few jobs in a row the right part is taken.
_SPREAD = 2_654_435_761
_RANGE = 2**32


class TraceQueue:
    """`sample`: the part of jobs, 0 to 1. `per_second`: traces exported in a second at most."""

    def __init__(
        self,
        open_exporter: Callable[[], TraceExporter],
        *,
        sample: float,
        per_second: int,
        most: int = QUEUE_MAX,
    ) -> None:
        self.open_exporter, self.per_second = open_exporter, per_second
        self.exported = self.dropped = 0
        """Traces, since the server started."""
        self._below = round(sample * _RANGE)
        self._most = most
        self._waiting: deque[int] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def takes(self, job: int) -> bool:
        """Whether the job is traced: the same at each server and each time."""
        return job * _SPREAD % _RANGE < self._below

    def note(self, jobs: Sequence[int]) -> None:
        """They have ended, and the store has it."""
        taken = jobs if self._below >= _RANGE else [job for job in jobs if self.takes(job)]
        places = self._most - len(self._waiting)
        self._waiting.extend(taken[:places])
        self.dropped += max(0, len(taken) - places)

    def first(self) -> list[int]:
        """What is exported next; it stays in the queue until `done`."""
        return list(islice(self._waiting, self.per_second))

    def done(self, jobs: int, *, exported: int, dropped: int) -> None:
        """The first `jobs` are through."""
        for _ in range(jobs):
            self._waiting.popleft()
        self.exported += exported
        self.dropped += dropped
