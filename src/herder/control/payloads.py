"""What the jobs in the queue will run, kept in memory only as far as a fixed budget goes; the rest is read when needed.

Used by `core.py`. The first jobs of the queue are the first to start, so the budget is filled in order of submission and
given back when a job starts.
"""

from collections.abc import Iterable

#: Memory for payloads of queued jobs: enough for the next seconds of work, whatever the length of the queue.
BUDGET_BYTES = 16 * 2**20


class Payloads:
    """`job → payload` for some of the queued jobs."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._texts: dict[int, str] = {}

    def offer(self, first: int, payloads: Iterable[str]) -> None:
        """Keep as many as the budget allows."""
        for job, text in enumerate(payloads, first):
            if self._budget < len(text) + 120:
                return
            self._budget -= len(text) + 120
            self._texts[job] = text

    def clear(self) -> None:
        for job in list(self._texts):
            self.take(job)

    def take(self, job: int) -> str | None:
        text = self._texts.pop(job, None)
        if text is not None:
            self._budget += len(text) + 120
        return text
