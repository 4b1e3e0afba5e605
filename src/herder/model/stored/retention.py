"""How long rows of ended objects are kept. A setting of the server; `store/writing/retention.py` deletes the rows."""

from dataclasses import dataclass

_DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long rows are kept, in milliseconds. None is below a day: requests are recognised for as long (`Idempotency-Key`)."""

    jobs_ms: int = 30 * _DAY_MS
    """After the end of the job, and of its batch: with its attempts, its result, its parents; and the batch."""
    logs_ms: int = 7 * _DAY_MS
    """After the end of the job: what it printed."""
    events_ms: int = 30 * _DAY_MS
    plans_ms: int = 30 * _DAY_MS
    workers_ms: int = 90 * _DAY_MS
    """After the end of the worker; longer when a job is kept that is older than its end."""

    def __post_init__(self) -> None:
        shortest = min(self.jobs_ms, self.logs_ms, self.events_ms, self.plans_ms, self.workers_ms)
        if shortest < _DAY_MS:
            raise ValueError(f"nothing may be kept for less than a day, and one is kept for {shortest} ms")
