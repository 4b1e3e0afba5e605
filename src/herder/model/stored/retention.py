"""How long rows of ended objects are kept, and how many. A setting of the server; `store/writing/retention.py` deletes the rows."""

from dataclasses import dataclass

_DAY_MS = 24 * 3_600_000
#: A shorter age would delete what a caller is still about to read.
SHORTEST_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Ages in milliseconds, and numbers of rows. A repeated request (`Idempotency-Key`) is recognised as long as what it made is kept."""

    jobs_ms: int = 30 * _DAY_MS
    """After the end of the job, and of its batch: with its attempts, its result, its parents; and the batch."""
    jobs_max: int = 10_000_000
    """Ended jobs; above that, the oldest are deleted before their age."""
    logs_ms: int = 7 * _DAY_MS
    """After the end of the job: what it printed."""
    events_ms: int = 30 * _DAY_MS
    events_max: int = 5_000_000
    plans_ms: int = 30 * _DAY_MS
    plans_max: int = 1_000_000
    workers_ms: int = 90 * _DAY_MS
    """After the end of the worker; longer when a job is kept that is older than its end."""
    workers_max: int = 200_000
    """Ended workers."""
    reports_max: int = 10_000
    """Reports of costs, all schedules together; each has its own age."""
    tokens_ms: int = 30 * _DAY_MS
    """After a token was revoked or has expired: it stays in lists, and says why it is refused."""
    store_bytes: int | None = None
    """What the rows of a SQLite store may take on its disk: above that logs are deleted before their age, oldest first, then jobs. None: the
    disk is the limit."""

    def __post_init__(self) -> None:
        if self.shortest_ms < SHORTEST_MS:
            raise ValueError(
                f"nothing may be kept for less than a second, and one is kept for {self.shortest_ms} ms"
            )

    @property
    def shortest_ms(self) -> int:
        return min(self.jobs_ms, self.logs_ms, self.events_ms, self.plans_ms, self.workers_ms, self.tokens_ms)
