"""The CPU and memory that this worker's processes use. Read by `exchange` at most once a heartbeat, when the server requests it.

The agent and everything that descends from it count, and nothing else of the machine: workers may share it. Not to be known
(no /proc) is answered as None, never as zero.
"""

import os
from collections.abc import Callable

from herder.agent.processes import process_table


def of_own_processes() -> tuple[float, int]:
    """CPU seconds used so far and KiB in use now, by this process and all that descends from it. Raises OSError."""
    return process_table.tree_use(os.getpid())


class UseMeter:
    """CPU is the average since the last reading, so the first one only begins."""

    def __init__(
        self, clock_s: Callable[[], float], use_so_far: Callable[[], tuple[float, int]] = of_own_processes
    ) -> None:
        """`use_so_far`: CPU seconds until now, and KiB now; a simulated machine has its own."""
        self._clock_s, self._use_so_far = clock_s, use_so_far
        self._last: tuple[float, float] | None = None

    def read(self) -> tuple[int, int] | None:
        """(thousandths of a core, MiB)."""
        try:
            cpu_s, resident_kib = self._use_so_far()
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
