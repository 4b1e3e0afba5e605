"""Workers whose idle time has reached the limit: first in, first out, at a constant cost for each.

Shared by the policies that close idle workers after a fixed time.
"""

from collections import deque

from herder.simulate.world.world import Worker, World


class IdleClock:
    __slots__ = ("_queue", "_since", "timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._queue: deque[tuple[float, Worker]] = deque()
        self._since: dict[int, float] = {}

    def take_in(self, world: World) -> None:
        """Call after placing: remembers since when each worker idles."""
        for worker in (*world.freed, *world.readied):
            if worker.closed_s is None and worker.idle and worker.number not in self._since:
                self._since[worker.number] = world.now_s
                self._queue.append((world.now_s, worker))

    def overdue(self, world: World) -> list[Worker]:
        """Those that are idle since at least the time-out. The caller closes them."""
        found = []
        while self._queue and self._queue[0][0] + self.timeout_s <= world.now_s:
            since_s, worker = self._queue.popleft()
            if self._since.get(worker.number) != since_s:
                continue
            del self._since[worker.number]
            if worker.closed_s is None and worker.idle:
                found.append(worker)
        return found

    def busy(self, worker: Worker) -> None:
        """It has been given something."""
        self._since.pop(worker.number, None)

    def next_s(self) -> float | None:
        return self._queue[0][0] + self.timeout_s if self._queue else None
