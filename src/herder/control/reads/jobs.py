"""Views of jobs, batches, attempts and logs. Lists are pages: newest first, `after` is the last id of the page before."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, func, select

from herder.control.core import Core
from herder.control.errors import Invalid, NotKnown
from herder.engine.state import BatchLife
from herder.model.ids import BatchId, ClassId
from herder.model.job import AttemptState, JobState
from herder.model.money import usd_text
from herder.model.times import iso, iso_or_none
from herder.store import tables as t
from herder.wire.resources import AttemptView, BatchView, JobDetail, JobView, Page

PAGE = 100
PAGE_MAX = 1000
_LABELS = {each.label: each for each in JobState}
_COLUMNS = [c for c in t.jobs.c if c.name != "payload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    batch: int | None = None
    state: str | None = None
    user: str | None = None
    pool: str | None = None
    after: int | None = None
    limit: int = PAGE


async def job_page(core: Core, wanted: JobFilter) -> Page:
    """Jobs, newest first; within one batch in the order in which they were added."""
    limit = max(1, min(wanted.limit, PAGE_MAX))
    query = _filtered(core, wanted).limit(limit + 1)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [_view(core, row) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


def _with_attempt(*columns: Any) -> Select[Any]:
    last = and_(t.attempts.c.job_id == t.jobs.c.id, t.attempts.c.attempt == t.jobs.c.attempts)
    return (
        select(
            *columns,
            t.attempts.c.started_at_ms,
            t.attempts.c.exit_code,
            t.attempts.c.message,
            t.attempts.c.result,
            t.batches.c.state.label("batch_state"),
            t.batches.c.committed_at_ms,
            t.batches.c.committed_at_ms.is_not(None).label("batch_committed"),
        )
        .outerjoin(t.attempts, last)
        .outerjoin(t.batches, t.batches.c.id == t.jobs.c.batch_id)
    )


def _filtered(core: Core, wanted: JobFilter) -> Select[Any]:
    query = _with_attempt(*_COLUMNS)
    if wanted.batch is not None:
        query = query.where(t.jobs.c.batch_id == wanted.batch).order_by(t.jobs.c.id)
        if wanted.after is not None:
            query = query.where(t.jobs.c.id > wanted.after)
    else:
        query = query.order_by(t.jobs.c.id.desc())
        if wanted.after is not None:
            query = query.where(t.jobs.c.id < wanted.after)
    if wanted.state is not None:
        query = query.where(*_state_is(wanted.state))
    if wanted.user is not None or wanted.pool is not None:
        classes = [
            class_id
            for class_id, job_class in core.state.classes.items()
            if wanted.user in (None, job_class.user) and wanted.pool in (None, job_class.pool)
        ]
        query = query.where(t.jobs.c.class_id.in_(classes))
    return query


def _state_is(label: str) -> list[Any]:
    state = _LABELS.get(label)
    if state is None:
        raise Invalid(
            f"{label!r} is not a job's state", field="state", hint=f"choose one of {', '.join(_LABELS)}"
        )
    opened = t.batches.c.state == "open"
    if state is JobState.PENDING:
        return [t.jobs.c.state == int(JobState.READY), opened]
    if state is JobState.READY:
        return [
            t.jobs.c.state == int(JobState.READY),
            (t.batches.c.state.is_(None)) | (t.batches.c.state == "running"),
        ]
    return [t.jobs.c.state == int(state)]


async def job_row(core: Core, job: int) -> Row[Any]:
    """One job with its payload. Raises NotKnown."""
    query = _with_attempt(*t.jobs.c).where(t.jobs.c.id == job)
    row: Row[Any] | None = await core.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotKnown(f"there is no job {job}", hint="herder job list shows them")
    return row


async def job_view(core: Core, job: int) -> JobView:
    return _view(core, await job_row(core, job))


async def job_detail(core: Core, job: int) -> JobDetail:
    row = await job_row(core, job)

    def read(connection: Connection) -> tuple[list[int], Sequence[Row[Any]]]:
        above = select(t.job_parents.c.parent_id).where(t.job_parents.c.child_id == job)
        tries = select(t.attempts).where(t.attempts.c.job_id == job).order_by(t.attempts.c.attempt)
        return [parent for (parent,) in connection.execute(above)], connection.execute(tries).all()

    parents, tries = await core.read(read)
    view = _view(core, row)
    result = next((each.result for each in tries if each.state == AttemptState.SUCCEEDED), None)
    return JobDetail(
        **{name: getattr(view, name) for name in view.__struct_fields__},
        payload=json.loads(row.payload),
        parents=sorted(parents),
        result=msgspec.Raw(result.encode()) if result else None,
        history=[_attempt(each) for each in tries],
    )


def effective_state(core: Core, row: Row[Any]) -> JobState:
    """Rows of an open batch are not ready yet, and those of a cancelled one may not be marked yet (`always_run` ones go on)."""
    state = JobState(row.state)
    if state is JobState.READY and row.batch_state == "open":
        return JobState.PENDING
    if state in (JobState.READY, JobState.BLOCKED) and row.batch_state == "cancelled":
        goes_on = row.batch_committed and core.state.classes[ClassId(row.class_id)].always_run
        return state if goes_on else JobState.CANCELLED
    return state


def _view(core: Core, row: Row[Any]) -> JobView:
    job_class = core.state.classes[ClassId(row.class_id)]
    request = job_class.request
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
        attempts=row.attempts,
        exit_code=row.exit_code,
        cause=row.cause,
        message=row.message or "",
        created_at=iso(row.created_at_ms),
        ready_at=iso_or_none(_ready_at_ms(row)),
        started_at=iso_or_none(row.started_at_ms),
        ended_at=iso_or_none(row.ended_at_ms),
    )


def _ready_at_ms(row: Row[Any]) -> int | None:
    """A job without parents is ready from the commit of its batch on, which is not written into every row."""
    if row.ready_at_ms is not None or row.state == JobState.BLOCKED:
        return int(row.ready_at_ms) if row.ready_at_ms is not None else None
    return int(row.committed_at_ms) if row.committed_at_ms is not None else None


def _attempt(row: Row[Any]) -> AttemptView:
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
        memory_peak_mib=row.memory_peak_mib or None,
        cost_usd=usd_text(row.cost_pico),
    )


async def batch_page(
    core: Core, *, user: str | None, state: str | None, after: int | None, limit: int = PAGE
) -> Page:
    """Newest first."""
    limit = max(1, min(limit, PAGE_MAX))
    query = select(t.batches).order_by(t.batches.c.id.desc()).limit(limit + 1)
    if user is not None:
        query = query.where(t.batches.c.user == user)
    if state is not None:
        query = query.where(t.batches.c.state == state)
    if after is not None:
        query = query.where(t.batches.c.id < after)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [_batch_row(row) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


async def batch_view(core: Core, batch: int) -> BatchView:
    """From memory while it lives, else from its row. Raises NotKnown."""
    life = core.state.batches.get(BatchId(batch))
    if life is not None:
        return live_batch(life)
    query = select(t.batches).where(t.batches.c.id == batch)
    row = await core.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotKnown(f"there is no batch {batch}", hint="herder batch list shows what there is")
    return _batch_row(row)


def live_batch(life: BatchLife) -> BatchView:
    return BatchView(
        id=life.id,
        name=life.name,
        user=life.user,
        project=life.project,
        state="cancelled" if life.cancelled else life.state,  # type: ignore[arg-type]
        jobs=life.jobs,
        counts={JobState(number).label: count for number, count in sorted(life.counts.items()) if count},
        cost_usd=usd_text(life.cost_pico),
        created_at=iso(life.created_at_ms),
        committed_at=iso_or_none(life.committed_at_ms),
        ended_at=iso_or_none(life.ended_at_ms),
        attributes=json.loads(life.attributes),
    )


def _batch_row(row: Row[Any]) -> BatchView:
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
    )


async def log_text(core: Core, job: int, attempt: int | None, offset: int) -> tuple[str, int, bool]:
    """(text from byte `offset` on, the next offset, whether the attempt has ended). The last attempt unless named."""
    row = await job_row(core, job)
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
    over = JobState(row.state).ended if state is None else state >= AttemptState.SUCCEEDED
    return data.decode(errors="replace"), offset + len(data), over


def _from(chunks: Sequence[tuple[int, str]], offset: int) -> Iterator[bytes]:
    """Chunks may overlap when a worker repeated itself; what was had already is left out."""
    at = offset
    for start, text in chunks:
        data = text.encode()
        if start + len(data) > at:
            yield data[max(0, at - start) :]
            at = start + len(data)
