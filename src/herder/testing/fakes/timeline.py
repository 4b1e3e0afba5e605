"""What happens in a fake at times to come, on a time that is given."""

import heapq
from collections.abc import Callable


class Timeline:
    def __init__(self, now_ms: int = 0) -> None:
        self.now_ms = now_ms
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, when_ms: int, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (when_ms, self._number, act))

    def step(self, now_ms: int) -> int | None:
        """Do what is due, each at its time. Answers when the next is due; None: nothing is."""
        while self._due and self._due[0][0] <= now_ms:
            when_ms, _, act = heapq.heappop(self._due)
            self.now_ms = max(self.now_ms, when_ms)
            act()
        self.now_ms = max(self.now_ms, now_ms)
        return self._due[0][0] if self._due else None
