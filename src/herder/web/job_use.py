"""What the attempts of a job used of what it requested. Pure."""

from dataclasses import dataclass

from herder.web.formatting import milliseconds
from herder.wire.api.work import AttemptView, JobDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    attempt: AttemptView
    cpu_milli: int | None
    """Cores that it used on average, in thousandths. None: not known, as of one that runs and has reported nothing."""
    memory_mib: int
    """What it requested."""


def use_of(job: JobDetail) -> list[Use]:
    """By attempt."""
    return [
        Use(attempt=each, cpu_milli=_cores(each), memory_mib=each.memory_mib or job.memory_mib)
        for each in job.history
    ]


def _cores(attempt: AttemptView) -> int | None:
    if attempt.started_at is None or attempt.ended_at is None:
        return None
    ran_ms = milliseconds(attempt.ended_at) - milliseconds(attempt.started_at)
    return round(attempt.cpu_s * 1_000_000 / ran_ms) if ran_ms > 0 else None
