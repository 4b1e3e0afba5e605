"""The rows of an attempt, while it is live and at its end. Used by `attempt.py` for each change of an attempt."""

from typing import Protocol

from herder.engine.memory.state import LiveAttempt
from herder.model.stored.records import AttemptRecord
from herder.model.work.job import AttemptState, Cause

_ASSIGNED = int(AttemptState.ASSIGNED)


class Ending(Protocol):
    """How an attempt ended, as its worker reports it (`wire.exchange.Finished` is one)."""

    @property
    def job(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def started_at_ms(self) -> int: ...
    @property
    def ended_at_ms(self) -> int: ...
    @property
    def exit_code(self) -> int | None: ...
    @property
    def cause(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def cpu_ms(self) -> int: ...
    @property
    def memory_peak_mib(self) -> int: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def bytes_cached(self) -> int: ...
    @property
    def bytes_in_cache(self) -> int: ...


def assigned_record(attempt: LiveAttempt) -> AttemptRecord:
    """The same as `attempt_record` says of one that has just been given to its worker."""
    return AttemptRecord(
        attempt.job,
        attempt.number,
        attempt.worker,
        _ASSIGNED,
        "",
        "",
        None,
        attempt.assigned_at_ms,
        None,
        None,
        0,
        0,
        None,
    )


def attempt_record(
    attempt: LiveAttempt,
    final: AttemptState,
    ended_at_ms: int | None,
    *,
    cause: Cause = Cause.NONE,
    ending: Ending | None = None,
    result: str | None = None,
    message: str = "",
) -> AttemptRecord:
    said = message if ending is None else ending.message
    if ended_at_ms is None:
        cause = Cause.PREEMPTED if attempt.preempted_for else cause
        cause = Cause.CANCELLED if attempt.cancelling else cause
    return AttemptRecord(
        attempt.job,
        attempt.number,
        attempt.worker,
        int(final),
        str(cause),
        attempt.preempted_for or said if cause is Cause.PREEMPTED else said,
        None if ending is None else ending.exit_code,
        attempt.assigned_at_ms,
        attempt.started_at_ms,
        ended_at_ms,
        0 if ending is None else ending.cpu_ms,
        0 if ending is None else ending.memory_peak_mib,
        result,
        0 if ending is None else ending.bytes_in,
        0 if ending is None else ending.bytes_out,
        0 if ending is None else ending.bytes_cached,
    )
