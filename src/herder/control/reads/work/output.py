"""What attempts have printed, from some byte on. Called by the port of reads and by `followed_output.py`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from herder.control.kernel.bounds.errors import Conflict, NotKnown
from herder.control.kernel.core import Core
from herder.control.reads.work.jobs import effective_state, job_row
from herder.model.permissions import Principal
from herder.model.stored.incarnation import tries
from herder.model.values.phrases import counted
from herder.model.work.job import AttemptState, JobState
from herder.store.rows import tables as t


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:  # from some byte of an attempt on; `at`: where it goes on
    text: str
    at: int
    attempt: int
    """0: none has begun."""
    attempt_ended: bool
    job_ended: bool
    attempts: int
    """How many the job has had."""


async def output_of(
    core: Core, who: Principal, job: int, attempt: int | None, offset: int, *, follow: bool = True
) -> Output:
    """From byte `offset` on. The last attempt unless named."""
    row = await job_row(core, who, job)
    _check_output(core, row, attempt, follow=follow)
    number = attempt or row.attempts

    def read(connection: Connection) -> tuple[list[tuple[int, str]], int | None]:
        chunks = (
            select(t.log_chunks.c.offset, t.log_chunks.c.text)
            .where(t.log_chunks.c.job_id == job, t.log_chunks.c.attempt == number)
            # A character is up to four bytes: what was had already is not read again, but for a part of it.
            .where(t.log_chunks.c.offset + 4 * func.length(t.log_chunks.c.text) > offset)
            .order_by(t.log_chunks.c.offset)
        )
        state = select(t.attempts.c.state).where(t.attempts.c.job_id == job, t.attempts.c.attempt == number)
        return [(start, text) for start, text in connection.execute(chunks)], connection.execute(
            state
        ).scalar()

    chunks, state = await core.read(read)
    data = b"".join(_from(chunks, offset))
    job_ended = JobState(row.state).ended
    return Output(
        text=data.decode(errors="replace"),
        at=offset + len(data),
        attempt=number,
        attempt_ended=job_ended if state is None else state >= AttemptState.SUCCEEDED,
        job_ended=job_ended,
        attempts=row.attempts,
    )


def _check_output(core: Core, row: Row[Any], attempt: int | None, *, follow: bool) -> None:
    """Nothing was printed, or nothing was left out: which of them it is must be told. Raises Refused."""
    if attempt is not None and not (0 < attempt <= row.attempts or (follow and attempt == row.attempts + 1)):
        had = counted(tries(row.attempts), "attempt") if row.attempts else "none"
        raise NotKnown(
            f"Job {row.id} has no attempt {attempt}; it has {had}.",
            hint=f"herder job get {row.id} lists its attempts.",
        )
    state = effective_state(core, row)
    if row.attempts:
        return
    if state.ended:
        raise Conflict(
            f"Job {row.id} has no output: it was {state.label} before it started.",
            hint=f"herder job explain {row.id} explains why.",
        )
    if not follow:
        raise Conflict(
            f"Job {row.id} has no output yet: it is {state.label}.",
            hint=f"herder job logs {row.id} --follow waits for it; herder job explain {row.id} explains why it waits.",
        )


def _from(chunks: Sequence[tuple[int, str]], offset: int) -> Iterator[bytes]:
    """Chunks may overlap when a worker repeated itself; what was had already is left out."""
    at = offset
    for start, text in chunks:
        data = text.encode()
        if start + len(data) > at:
            yield data[max(0, at - start) :]
            at = start + len(data)
