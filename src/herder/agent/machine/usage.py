"""The CPU and memory that this worker's processes use. Read by `exchange` at most once a heartbeat, when the server requests it.

The agent and everything that descends from it count, and nothing else of the machine: workers may share it. Not to be known
(no /proc) is answered as None, never as zero.
"""

import os
from collections.abc import Callable

from herder.agent.processes import process_table


class UseMeter:
    """CPU is the average since the last reading, so the first one only begins."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._last: tuple[float, float] | None = None

    def read(self) -> tuple[int, int] | None:
        """(thousandths of a core, MiB)."""
        try:
            cpu_s, resident_kib = process_table.tree_use(os.getpid())
        except OSError:
            return None
        before, now_s = self._last, self._clock_s()
        if before is not None and now_s <= before[0]:
            return None
        self._last = (now_s, cpu_s)
        if before is None:
            return None
        milli = max(0, round((cpu_s - before[1]) / (now_s - before[0]) * 1000))
        return milli, -(-resident_kib // 1024)
