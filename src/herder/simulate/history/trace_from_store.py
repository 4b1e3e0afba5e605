"""Herder's own store as a trace: what was submitted, when, by which user, of which shape, and how long it ran.

Called by `herder simulate --from-events`. A job arrives when it could first start (its own submission, or its batch's commit);
it runs for as long as its attempts held their room, from assignment to end, on the server's clock. Attempts that were lost
with a worker are the old fleet's doing, not the job's work, and do not count beside others. The log ends with the last
moment that it knows of, not with the clock on the wall, so that the same store gives the same trace.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.sql.elements import ColumnElement

from herder.model.values.phrases import agree, counted
from herder.model.values.resources import Resources
from herder.model.work.job import NOT_THE_JOBS_FAULT, AttemptState, JobClass, JobState
from herder.settings import resources_from_text
from herder.simulate.traces.graph import check_parents
from herder.simulate.traces.rows import TraceError
from herder.simulate.traces.trace import Trace, TraceJob, trace_of
from herder.store.rows import tables as t
from herder.store.rows.json_forms import decode_class
from herder.store.rows.meta import resources_text

FORMAT = "events"
#: Rows fetched at a time.
FETCH = 10_000


@dataclass(slots=True)
class _Run:
    own_ms: int = 0
    """Attempts that ended by themselves or were cancelled, and what goes on."""
    lost_ms: int = 0
    """The longest of those that were lost."""
    attempts: int = 0
    lost: int = 0
    live: bool = False


@dataclass(slots=True, kw_only=True)
class OwnLog:
    """The trace, and what people must know to read its figures."""

    trace: Trace
    running: int = 0
    """Jobs with an attempt that goes on: counted as if it had ended with the log."""
    never_ran: dict[str, int] = field(default_factory=dict)
    """By state: jobs without an attempt. Nobody knows how long they would run, so they are left out."""
    lost: int = 0
    """Attempts lost with their workers, of jobs that have others."""
    bound: int = 0
    """Jobs that ask for more than room: a pool, labels, taints tolerated, a priority."""

    def notes(self) -> Iterator[str]:
        if self.running:
            yield f"{counted(self.running, 'job')} had not ended; each counts with the time that it had run."
        for label, count in sorted(self.never_ran.items()):
            yield (
                f"{counted(count, 'job')} ({label}) never ran and {agree(count, 'was', 'were')} left out, because the run time is unknown."
            )
        if self.lost:
            yield (
                f"{counted(self.lost, 'attempt')} {agree(self.lost, 'was', 'were')} lost with a worker; that time is not counted as work."
            )
        if self.bound:
            yield (
                f"{counted(self.bound, 'job')} {agree(self.bound, 'names', 'name')} a pool, labels, tolerations, a declared resource or a "
                "priority. The simulation ignores them: it has one pool of all templates and looks only at CPU, memory, disk and GPUs."
            )


def read_own_log(connection: Connection, where: str, *, limit: int | None = None) -> OwnLog:
    """The first `limit` jobs by number. Raises TraceError when no job has run."""
    classes = _classes(connection)
    runs, log = _runs(connection, _end_ms(connection)), OwnLog(trace=Trace(format=FORMAT))
    parents = _parents(connection)
    jobs: list[TraceJob] = []
    for row in _rows(connection, _jobs_query(limit)):
        run, job_class = runs.get(row.id), classes[row.class_id]
        if run is None:
            label = JobState(row.state).label
            log.never_ran[label] = log.never_ran.get(label, 0) + 1
            continue
        log.running += run.live
        log.lost += run.lost
        log.bound += _asks_for_more(job_class)
        jobs.append(_job(row, run, job_class, parents.get(row.id, ())))
    if not jobs:
        raise TraceError(f"{where}: no job has run there yet, so there is nothing to replay.")
    check_parents(jobs, where, cut_off=lambda ids: ids)
    log.trace = trace_of(FORMAT, jobs)
    return log


def _job(row: Any, run: _Run, job_class: JobClass, parents: tuple[str, ...]) -> TraceJob:
    request = job_class.request
    ready_at_ms = row.created_at_ms if row.committed_at_ms is None else row.committed_at_ms
    return TraceJob(
        arrival_s=ready_at_ms / 1000,
        run_s=(run.own_ms if run.attempts > run.lost else run.lost_ms) / 1000,
        request=Resources(request.cpu_milli, request.memory_mib, request.disk_mib, request.gpu * 1000),
        user=job_class.user,
        kind=row.name or job_class.project,
        limit_s=job_class.timeout_s,
        id=str(row.id),
        parents=parents,
    )


def _asks_for_more(job_class: JobClass) -> bool:
    looks = job_class.selector or job_class.affinity.required or job_class.tolerations
    return bool(job_class.pool != "auto" or looks or job_class.priority or job_class.request.declared())


def _classes(connection: Connection) -> dict[int, JobClass]:
    query = select(t.job_classes.c.id, t.job_classes.c.spec)
    resources = resources_from_text(resources_text(connection))
    return {row.id: decode_class(row.spec, resources) for row in connection.execute(query)}


def _jobs_query(limit: int | None) -> Any:
    return (
        select(
            t.jobs.c.id,
            t.jobs.c.class_id,
            t.jobs.c.state,
            t.jobs.c.created_at_ms,
            t.batches.c.committed_at_ms,
            t.batches.c.name,
        )
        .outerjoin(t.batches, t.batches.c.id == t.jobs.c.batch_id)
        .order_by(t.jobs.c.id)
        .limit(limit)
    )


def _runs(connection: Connection, end_ms: int) -> dict[int, _Run]:
    a = t.attempts.c
    found: dict[int, _Run] = {}
    for row in _rows(connection, select(a.job_id, a.state, a.cause, a.assigned_at_ms, a.ended_at_ms)):
        run = found.get(row.job_id)
        if run is None:
            run = found[row.job_id] = _Run()
        run.attempts += 1
        ended_at_ms = end_ms if row.ended_at_ms is None else row.ended_at_ms
        run_ms = max(0, ended_at_ms - row.assigned_at_ms)
        if row.state == AttemptState.LOST or (
            row.state in (AttemptState.FAILED, AttemptState.CANCELLED) and row.cause in NOT_THE_JOBS_FAULT
        ):
            run.lost += 1
            run.lost_ms = max(run.lost_ms, run_ms)
        else:
            run.own_ms += run_ms
            run.live = run.live or row.ended_at_ms is None
    return found


def _parents(connection: Connection) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    p = t.job_parents.c
    for row in _rows(connection, select(p.child_id, p.parent_id).order_by(p.child_id, p.parent_id)):
        found.setdefault(row.child_id, []).append(str(row.parent_id))
    return {child: tuple(above) for child, above in found.items()}


def _end_ms(connection: Connection) -> int:
    columns: tuple[ColumnElement[int], ...] = (
        t.jobs.c.created_at_ms,
        t.jobs.c.ended_at_ms,
        t.attempts.c.assigned_at_ms,
        t.attempts.c.ended_at_ms,
        t.plans.c.made_at_ms,
        t.events.c.at_ms,
    )
    return max(int(connection.execute(select(func.max(column))).scalar() or 0) for column in columns)


def _rows(connection: Connection, query: Any) -> Iterator[Any]:
    with connection.execution_options(stream_results=True).execute(query) as result:
        while rows := result.fetchmany(FETCH):
            yield from rows
