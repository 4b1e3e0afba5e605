"""Views of jobs, batches, attempts and logs. Lists are pages: newest first, `after` is the last id of the page before."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, select

from herder.control.access.access_check import check, not_known
from herder.control.jobs.submitting.submission import batch_thing, job_thing
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.visibility import PAGE_MAX, in_view, jobs_of_batch, newest_jobs
from herder.control.reads.work.callbacks import waits
from herder.control.reads.work.marks import NO_MARK, Marks, marks_of
from herder.control.reads.work.pool_choice import pool_reason
from herder.engine.jobs.groups import withdraws
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, ClassId
from herder.model.permissions import Action, Kind, Principal, scope_of
from herder.model.stored.incarnation import tries
from herder.model.values.money import usd_text
from herder.model.values.times import iso, iso_or_none
from herder.model.work.job import AttemptState, JobClass, JobState
from herder.store.rows import tables as t
from herder.store.rows.job_ranges import range_of_job
from herder.store.rows.json_forms import decode_class
from herder.store.rows.usage_rows import attempt_row_cost, class_of_attempt
from herder.store.writing.retention import DELETED
from herder.wire.api.resources import Page
from herder.wire.api.work import AttemptView, BatchView, JobDetail, JobView

PAGE = 100
_LABELS = {each.label: each for each in JobState}
JOB_STATES = tuple(_LABELS)
BATCH_STATES = ("open", "running", "succeeded", "failed", "cancelled")
_WAITING = (JobState.READY, JobState.BLOCKED, JobState.HELD)
_COLUMNS = [c for c in t.jobs.c if c.name != "payload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    batch: int | None = None
    state: str | None = None
    user: str | None = None
    pool: str | None = None
    name: str | None = None
    """As `JobSubmission.key` has it."""
    group: str | None = None
    """Of the batch, those below it included."""
    query: str | None = None
    after: int | None = None
    limit: int = PAGE


async def job_page(core: Core, who: Principal, wanted: JobFilter) -> Page:
    """Jobs that `who` may see, newest first; within one batch in the order in which they were added."""
    limit = max(1, min(wanted.limit, PAGE_MAX))
    if wanted.batch is not None:
        await batch_view(core, who, wanted.batch)  # all jobs of a batch are its owner's
    query = _filtered(who, wanted, limit + 1)
    rows, marks = await core.read(lambda connection: with_marks(connection, query))
    items = [view_of(core, row, marks) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


def with_marks(connection: Connection, query: Select[Any]) -> tuple[Sequence[Row[Any]], Marks]:
    """Rows of `with_attempt`, with the groups and attributes of their jobs."""
    rows = connection.execute(query).all()
    return rows, marks_of(connection, [row.range for row in rows if row.range is not None])


def with_attempt(*columns: Any) -> Select[Any]:
    last = and_(t.attempts.c.job_id == t.jobs.c.id, t.attempts.c.attempt == t.jobs.c.attempts)
    return (
        select(
            *columns,
            t.attempts.c.started_at_ms,
            t.attempts.c.exit_code,
            t.attempts.c.message,
            t.attempts.c.result,
            t.batches.c.state.label("batch_state"),
            t.batches.c.hold.label("batch_hold"),
            t.batches.c.committed_at_ms,
            t.batches.c.committed_at_ms.is_not(None).label("batch_committed"),
            t.job_classes.c.spec.label("class_spec"),
            range_of_job().label("range"),
        )
        .join(t.job_classes, t.job_classes.c.id == t.jobs.c.class_id)
        .outerjoin(t.attempts, last)
        .outerjoin(t.batches, t.batches.c.id == t.jobs.c.batch_id)
    )


def _filtered(who: Principal, wanted: JobFilter, limit: int) -> Select[Any]:
    where: list[Any] = []
    if wanted.state is not None:
        where += state_is(wanted.state)
    if wanted.pool is not None:
        of_pool = select(t.job_classes.c.id).where(t.job_classes.c.pool == wanted.pool)
        where.append(t.jobs.c.class_id.in_(of_pool))
    if wanted.name is not None:
        where.append(t.jobs.c.key == wanted.name)
    query = with_attempt(*_COLUMNS)
    if wanted.batch is not None:
        if wanted.user is not None:
            where.append(t.jobs.c.user == wanted.user)
        return jobs_of_batch(query, wanted.batch, wanted.after, wanted.state, where, limit)
    if wanted.after is not None:
        where.append(t.jobs.c.id < wanted.after)
    where.append(t.batches.c.state.is_distinct_from(DELETED))
    return newest_jobs(query, scope_of(who), wanted.user, where, limit)


def state_is(label: str) -> list[Any]:
    state = _LABELS.get(label)
    if state is None:
        raise Invalid(
            f"{label[:50]!r} is not a state of a job.",
            field="state",
            hint=f"Choose one of {', '.join(_LABELS)}.",
        )
    opened = t.batches.c.state == "open"
    if state is JobState.PENDING:
        return [t.jobs.c.state == int(JobState.READY), t.NOT_SUCCEEDED, opened]
    if state is JobState.READY:
        runs = (t.batches.c.state == "running") & (t.batches.c.hold == 0)
        return [t.jobs.c.state == int(state), t.NOT_SUCCEEDED, t.batches.c.state.is_(None) | runs]
    if state is JobState.HELD:
        by_batch = (t.jobs.c.state == int(JobState.READY)) & (t.batches.c.hold != 0)
        by_batch &= t.batches.c.state == "running"
        return [t.NOT_SUCCEEDED, (t.jobs.c.state == int(JobState.HELD)) | by_batch]
    if state is JobState.SUCCEEDED:
        return [t.jobs.c.state == int(state)]
    return [t.jobs.c.state == int(state), t.NOT_SUCCEEDED]


async def job_row(core: Core, who: Principal, job: int) -> Row[Any]:
    """As `job_with_marks`."""
    row, _ = await job_with_marks(core, who, job)
    return row


async def job_with_marks(core: Core, who: Principal, job: int) -> tuple[Row[Any], Marks]:
    """One job with its payload. Raises NotKnown, also for one that `who` may not know of."""
    query = with_attempt(*t.jobs.c).where(t.jobs.c.id == job)
    rows, marks = await core.read(lambda connection: with_marks(connection, query))
    row = rows[0] if rows else None
    if row is None or row.batch_state == DELETED:
        raise not_known(Kind.JOB, job)
    check(who, Action.SEE, job_thing(row.id, row.user, row.project))
    return row, marks


async def job_view(core: Core, who: Principal, job: int) -> JobView:
    return view_of(core, *await job_with_marks(core, who, job))


async def job_detail(core: Core, who: Principal, job: int) -> JobDetail:
    row, marks = await job_with_marks(core, who, job)

    def read(connection: Connection) -> tuple[list[int], Sequence[Row[Any]]]:
        above = select(t.job_parents.c.parent_id).where(t.job_parents.c.child_id == job)
        tries = (
            select(
                t.attempts,
                t.workers.c.pool,
                t.workers.c.spec,
                t.job_classes.c.id.label("class_id"),
                t.job_classes.c.spec.label("class_spec"),
            )
            .join(t.jobs, t.jobs.c.id == t.attempts.c.job_id)
            .join(t.job_classes, t.job_classes.c.id == class_of_attempt())
            .outerjoin(t.workers, t.workers.c.name == t.attempts.c.worker)
            .where(t.attempts.c.job_id == job)
            .order_by(t.attempts.c.attempt)
        )
        return [parent for (parent,) in connection.execute(above)], connection.execute(tries).all()

    parents, tries = await core.read(read)
    view, now_ms = view_of(core, row, marks), core.clock.now_ms()
    result = next((each.result for each in tries if each.state == AttemptState.SUCCEEDED), None)
    return JobDetail(
        **{name: getattr(view, name) for name in view.__struct_fields__},
        payload=json.loads(row.payload),
        parents=sorted(parents),
        result=msgspec.Raw(result.encode()) if result else None,
        history=[_attempt(each, _class(core, each), row.batch_id, now_ms) for each in tries],
        pool_reason="" if row.ended_at_ms is not None else pool_reason(core, _class(core, row)),
    )


def effective_state(core: Core, row: Row[Any]) -> JobState:
    """Rows of an open batch are not ready yet, and those of a cancelled one, or of a cancelled group, may not be marked yet (`always_run`
    ones go on)."""
    state = JobState(row.state)
    if state in _WAITING and row.batch_id is not None and _gone_with_group(core, row):
        return JobState.CANCELLED
    if state is JobState.READY and row.batch_state in ("open", "running"):
        held = JobState.HELD if row.batch_hold else state
        return JobState.PENDING if row.batch_state == "open" else held
    if state in _WAITING and row.batch_state == "cancelled":
        goes_on = row.batch_committed and _class(core, row).always_run
        return state if goes_on else JobState.CANCELLED
    return state


def _gone_with_group(core: Core, row: Row[Any]) -> bool:
    if row.batch_state in ("succeeded", "failed"):
        return True
    life = core.state.batches.get(BatchId(row.batch_id))
    if life is None or life.groups is None or life.cancelled:
        return False
    return withdraws(life, row.id) and not _class(core, row).always_run


def _class(core: Core, row: Row[Any]) -> JobClass:
    """From memory; those of jobs that have ended may have been forgotten there."""
    return core.state.classes.get(ClassId(row.class_id)) or decode_class(row.class_spec, core.state.resources)


def view_of(core: Core, row: Row[Any], marks: Marks) -> JobView:
    job_class = _class(core, row)
    request, mark = job_class.request, marks.get(row.range, NO_MARK)
    return JobView(
        id=row.id,
        batch=row.batch_id,
        key=row.key,
        user=job_class.user,
        project=job_class.project,
        state=effective_state(core, row).label,
        pool=job_class.pool,
        priority=job_class.priority,
        runtime=job_class.runtime,
        cpu_milli=request.cpu_milli,
        memory_mib=request.memory_mib,
        disk_mib=request.disk_mib,
        gpu=job_class.gpus_asked,
        resources=request.declared(),
        type=job_class.type,
        attempts=tries(row.attempts),
        exit_code=row.exit_code,
        cause=row.cause,
        message=row.message or "",
        created_at=iso(row.created_at_ms),
        ready_at=iso_or_none(_ready_at_ms(row)),
        started_at=iso_or_none(row.started_at_ms),
        ended_at=iso_or_none(row.ended_at_ms),
        retry_at=iso_or_none(row.not_before_ms) if row.state == JobState.READY else None,
        group=mark.group,
        attributes=mark.attributes,
        deadline=iso_or_none(job_class.deadline_ms),
    )


def _ready_at_ms(row: Row[Any]) -> int | None:
    """A job without parents is ready from the commit of its batch on, which is not written into every row."""
    if row.ready_at_ms is not None or row.state == JobState.BLOCKED:
        return int(row.ready_at_ms) if row.ready_at_ms is not None else None
    return int(row.committed_at_ms) if row.committed_at_ms is not None else None


def _attempt(row: Row[Any], job_class: JobClass, batch: int | None, now_ms: int) -> AttemptView:
    return AttemptView(
        attempt=row.attempt,
        worker=row.worker,
        state=AttemptState(row.state).label,
        cause=row.cause,
        message=row.message,
        exit_code=row.exit_code,
        assigned_at=iso(row.assigned_at_ms),
        started_at=iso_or_none(row.started_at_ms),
        ended_at=iso_or_none(row.ended_at_ms),
        cpu_s=row.cpu_ms / 1000,
        memory_mib=job_class.request.memory_mib,
        memory_peak_mib=row.memory_peak_mib or None,
        cost_usd=usd_text(attempt_row_cost(row, job_class, batch, now_ms)),
        bytes_in=row.bytes_in,
        bytes_out=row.bytes_out,
        bytes_cached=row.bytes_cached,
    )


async def batch_page(
    core: Core,
    who: Principal,
    *,
    user: str | None,
    state: str | None,
    after: int | None,
    limit: int = PAGE,
) -> Page:
    """Those that `who` may see, newest first."""
    limit = max(1, min(limit, PAGE_MAX))
    if state is not None and state not in BATCH_STATES:
        raise Invalid(
            f"{state[:50]!r} is not a state of a batch.",
            field="state",
            hint=f"Choose one of {', '.join(BATCH_STATES)}.",
        )
    query = select(t.batches).order_by(t.batches.c.id.desc()).limit(limit + 1)
    query = query.where(*in_view(scope_of(who), t.batches), t.batches.c.state != DELETED)
    for column, value in ((t.batches.c.user, user), (t.batches.c.state, state)):
        query = query if value is None else query.where(column == value)
    if after is not None:
        query = query.where(t.batches.c.id < after)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [batch_row_view(row) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


async def batch_view(core: Core, who: Principal, batch: int) -> BatchView:
    """From memory while it lives, else from its row. Raises NotKnown, also for one that `who` may not know of."""
    life = core.state.batches.get(BatchId(batch))
    if life is not None:
        check(who, Action.SEE, batch_thing(batch, life.user, life.project))
        return live_batch(core, life)
    query = select(t.batches).where(t.batches.c.id == batch)
    row = await core.read(lambda connection: connection.execute(query).first())
    if row is None or row.state == DELETED:
        raise not_known(Kind.BATCH, batch)
    check(who, Action.SEE, batch_thing(batch, row.user, row.project))
    return msgspec.structs.replace(batch_row_view(row), callback=waits(row.id, row.callback))


def live_batch(core: Core, life: BatchLife) -> BatchView:
    return BatchView(
        id=life.id,
        name=life.name,
        user=life.user,
        project=life.project,
        state="cancelled" if life.cancelled else life.state,  # type: ignore[arg-type]
        jobs=life.jobs,
        counts={JobState(number).label: count for number, count in sorted(life.counts.items()) if count},
        cost_usd=usd_text(core.ledger.batches.get(life.id, 0)),
        created_at=iso(life.created_at_ms),
        committed_at=iso_or_none(life.committed_at_ms),
        ended_at=iso_or_none(life.ended_at_ms),
        attributes=json.loads(life.attributes),
        held=life.keeping is not None and life.keeping.hold,
        parallel_max=None if life.keeping is None else life.keeping.parallel_max,
        accepts_jobs=life.accepts or life.state == "open",
        callback=waits(life.id, life.callback),
    )


def batch_row_view(row: Row[Any]) -> BatchView:
    return BatchView(
        id=row.id,
        name=row.name,
        user=row.user,
        project=row.project,
        state=row.state,
        jobs=row.jobs,
        counts=json.loads(row.counts),
        cost_usd=usd_text(int(row.cost_pico)),
        created_at=iso(row.created_at_ms),
        committed_at=iso_or_none(row.committed_at_ms),
        ended_at=iso_or_none(row.ended_at_ms),
        attributes=json.loads(row.attributes),
        held=bool(row.hold),
        parallel_max=row.parallel_max,
        accepts_jobs=row.state == "open" or (row.accepts == 1 and row.ended_at_ms is None),
    )
