"""Reads the spans of jobs that have ended from the store, for the loop of traces. Read-only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from herder.model.work.job import AttemptState, JobState
from herder.observability.job_spans import EndedAttempt, EndedJob, Span, spans_of
from herder.store.rows import tables as t


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """`traces` of the jobs asked for; `missing`: jobs whose rows were deleted. Jobs that run again are neither."""

    spans: list[Span]
    traces: int
    missing: int


def traced(connection: Connection, *, installation: str, jobs: Sequence[int]) -> Traced:
    j, a, w = t.jobs.c, t.attempts.c, t.workers.c
    wanted = set(jobs)
    rows = connection.execute(
        select(
            j.id, j.state, j.cause, j.created_at_ms, j.ended_at_ms, j.user, j.project, j.batch_id, j.key
        ).where(j.id.in_(wanted))
    ).all()
    attempts: dict[int, list[EndedAttempt]] = {}
    query = (
        select(
            a.job_id, a.attempt, a.state, a.cause, a.worker, a.exit_code, a.assigned_at_ms, a.started_at_ms,
            a.ended_at_ms, a.cpu_ms, a.memory_peak_mib, w.pool,
        )
        .select_from(t.attempts.outerjoin(t.workers, w.name == a.worker))
        .where(a.job_id.in_(wanted))
        .order_by(a.job_id, a.attempt)
    )  # fmt: skip
    for each in connection.execute(query):
        attempts.setdefault(each.job_id, []).append(_attempt(each))
    ended = [row for row in rows if JobState(row.state).ended and row.ended_at_ms is not None]
    spans: list[Span] = []
    for row in ended:
        spans += spans_of(installation, _job(row), attempts.get(row.id, []))
    return Traced(spans=spans, traces=len(ended), missing=len(wanted) - len(rows))


def _job(row: Any) -> EndedJob:
    return EndedJob(
        id=row.id,
        state=JobState(row.state),
        cause=row.cause,
        created_at_ms=row.created_at_ms,
        ended_at_ms=row.ended_at_ms,
        user=row.user,
        project=row.project,
        batch=row.batch_id,
        key=row.key,
    )


def _attempt(row: Any) -> EndedAttempt:
    return EndedAttempt(
        number=row.attempt,
        state=AttemptState(row.state),
        cause=row.cause,
        worker=row.worker,
        pool=row.pool,
        exit_code=row.exit_code,
        assigned_at_ms=row.assigned_at_ms,
        started_at_ms=row.started_at_ms,
        ended_at_ms=row.ended_at_ms,
        cpu_ms=row.cpu_ms,
        memory_peak_mib=row.memory_peak_mib,
    )
