"""Payloads of queued jobs, in memory within fixed budgets; the others are read from the store when needed.

Used by `control/kernel/core.py`. The first jobs of the queue are the first to start, so the large budget is filled in order of submission and
given back when a job starts. A second, small one holds the latest few submissions, which may start at once beside a long queue.
"""

from collections.abc import Sequence

#: Memory for payloads of queued jobs: enough for the next seconds of work, whatever the length of the queue.
BUDGET_BYTES = 16 * 2**20
#: The latest small submissions that the budget had no room for.
LATEST_JOBS = 4_000
SMALL = 100
#: What an entry takes beside its text.
ENTRY_BYTES = 120


class Payloads:
    """`job → payload` for some of the queued jobs."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._texts: dict[int, str] = {}
        self._latest: dict[int, str] = {}
        self._of_batch: dict[int, list[range]] = {}
        """Jobs of batches that have not ended, as they were offered."""

    def offer(self, first: int, payloads: Sequence[str], batch: int | None = None) -> None:
        """Keep as many as the budgets allow."""
        if batch is not None:
            self._of_batch.setdefault(batch, []).append(range(first, first + len(payloads)))
        for job, text in enumerate(payloads, first):
            if self._budget < len(text) + ENTRY_BYTES:
                self._offer_latest(job, payloads[job - first :])
                return
            self._budget -= len(text) + ENTRY_BYTES
            self._texts[job] = text

    def _offer_latest(self, first: int, payloads: Sequence[str]) -> None:
        if len(payloads) > SMALL:
            return
        self._latest.update(enumerate(payloads, first))
        while len(self._latest) > LATEST_JOBS:
            del self._latest[next(iter(self._latest))]

    def drop(self, batch: int) -> None:
        """Nothing of this batch will run any more; those few that do are read when they start."""
        for jobs in self._of_batch.pop(batch, ()):
            for job in jobs:
                self.take(job)

    def forget(self, batch: int) -> None:
        """It has ended: each of its jobs was taken."""
        self._of_batch.pop(batch, None)

    def take(self, job: int) -> str | None:
        text = self._texts.pop(job, None)
        if text is None:
            return self._latest.pop(job, None)
        self._budget += len(text) + ENTRY_BYTES
        return text
