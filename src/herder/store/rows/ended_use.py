"""How many attempts of a period did what they were for, and what the others cost. For reports of costs."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from herder.ledger.costs import cost
from herder.model.work.job import AttemptState, Cause
from herder.store.rows import tables as t
from herder.store.rows.ledger_tables import machine_days
from herder.store.rows.usage_rows import ended_attempts

#: How attempts end whose machine is taken back.
_TAKEN_BACK = tuple(cause.value for cause in (Cause.WORKER_LOST, Cause.PREEMPTED, Cause.DRAINED))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedUse:
    succeeded: int
    """Attempts, which are as many as jobs."""
    failed_pico: int
    """What the attempts cost that did not succeed."""
    taken_back: int
    """Of these, attempts on spot workers that were lost, preempted or drained."""
    taken_back_pico: int


def ended_use(connection: Connection, from_ms: int, to_ms: int) -> EndedUse:
    """Of attempts that ended in `[from_ms, to_ms)`; those that have been forgotten are not among them."""
    a = t.attempts.c
    ended = (a.ended_at_ms >= from_ms, a.ended_at_ms < to_ms)
    count = select(func.count()).where(a.state == int(AttemptState.SUCCEEDED), *ended)
    failed = a.state > int(AttemptState.SUCCEEDED)
    spot = a.worker.in_(select(machine_days.c.worker).where(machine_days.c.market == "spot"))
    lost = [cost(each) for each in ended_attempts(connection, failed, a.cause.in_(_TAKEN_BACK), spot, *ended)]
    return EndedUse(
        succeeded=connection.execute(count).scalar_one(),
        failed_pico=sum(cost(each) for each in ended_attempts(connection, failed, *ended)),
        taken_back=len(lost),
        taken_back_pico=sum(lost),
    )
