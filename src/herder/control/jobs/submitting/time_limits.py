"""The deadline and the time-outs of a submitted job, checked. Called by `classes.py`."""

from datetime import datetime

from herder.control.kernel.bounds.errors import Invalid
from herder.model.values.times import iso
from herder.settings.syntax.durations import parse_duration
from herder.wire.api.work import JobSubmission

YEAR_S = 366 * 86_400
TEXT_LENGTH = 64


def deadline_ms(job: JobSubmission, where: str, now_ms: int) -> int:
    """Jobs of one call that name the same time from now on have the same: it is rounded up to a second. Raises Invalid."""
    text, field = job.deadline.strip(), f"{where}deadline"
    try:
        if len(text) > TEXT_LENGTH:
            raise ValueError
        if text.startswith("+"):
            ahead_ms = int(parse_duration(text[1:]) * 1000)
            if ahead_ms <= 0:
                raise ValueError
            at_ms = -(-(now_ms + ahead_ms) // 1000) * 1000
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise ValueError
            at_ms = int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Invalid(
            f"{text[:50]!r} is not a deadline.",
            field=field,
            hint="Write a time with its zone (2026-12-01T06:00:00+01:00) or a duration from now on (+2h).",
        ) from None
    if at_ms <= now_ms:
        raise Invalid(f"The deadline {iso(at_ms)} has passed.", field=field, hint="Set a later deadline.")
    if at_ms > now_ms + YEAR_S * 1000:
        raise Invalid(
            "The deadline is more than 366 days away.", field=field, hint="Set an earlier deadline."
        )
    return at_ms


def check_timeouts(job: JobSubmission, where: str) -> None:
    """Raises Invalid."""
    if job.timeout_s is not None and not 0.001 <= job.timeout_s <= YEAR_S:
        raise Invalid("The timeout must be at least 1 ms and at most 366 days.", field=f"{where}timeout_s")
    if job.queue_timeout_s is not None and not 1 <= job.queue_timeout_s <= YEAR_S:
        raise Invalid(
            "The queue timeout must be at least 1 s and at most 366 days.", field=f"{where}queue_timeout_s"
        )
