"""Search in jobs. A page looks at a bounded number of jobs: when few of them fit, it is short, and the next page goes on behind them.

Called by `control/reads/port.py`. The bound is found by an index: of the batch, of the state, of the name, else of who may see them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, or_, select
from sqlalchemy.sql.selectable import TextualSelect

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.search.conditions import condition, json_text
from herder.control.reads.search.language import ATTRIBUTE, Column, Kind, Term, parse
from herder.control.reads.visibility import PAGE_MAX, jobs_of_batch, newest_jobs
from herder.control.reads.work.jobs import (
    JOB_STATES,
    JobFilter,
    batch_view,
    job_page,
    state_is,
    view_of,
    with_attempt,
    with_marks,
)
from herder.control.reads.work.marks import Marks
from herder.model.permissions import Principal, scope_of
from herder.store.rows import tables as t
from herder.store.rows.job_ranges import jobs_of_group, range_of_job
from herder.store.writing.retention import DELETED
from herder.wire.api.resources import Page

#: Jobs that one page looks at.
SCANNED_MAX = 20_000
_TEXT, _NUMBER, _TIME = Column(kind=Kind.TEXT), Column(kind=Kind.NUMBER), Column(kind=Kind.TIME)
COLUMNS = {
    "state": Column(kind=Kind.CHOICE, choices=JOB_STATES),
    "name": _TEXT,
    "user": _TEXT,
    "project": _TEXT,
    "batch": _NUMBER,
    "id": _NUMBER,
    "pool": _TEXT,
    "worker": _TEXT,
    "cause": _TEXT,
    "message": _TEXT,
    "attempts": _NUMBER,
    "exit_code": _NUMBER,
    "created": _TIME,
    "started": _TIME,
    "ended": _TIME,
    "duration": Column(kind=Kind.DURATION),
    "group": Column(kind=Kind.PATH),
    ATTRIBUTE: _TEXT,
}
_COLUMNS = [c for c in t.jobs.c if c.name != "payload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Which jobs a page looks at."""

    ids: Select[Any] | TextualSelect
    forward: bool
    """In the order in which they were added: those of one batch."""


async def list_jobs(core: Core, who: Principal, wanted: JobFilter) -> Page:
    """Those that `who` may see, with a search and without in the same order. Raises Refused."""
    if wanted.query is None and wanted.group is None:
        return await job_page(core, who, wanted)
    terms = parse(wanted.query or "", COLUMNS, core.clock.now_ms())
    batch = _only(terms, "batch") if wanted.batch is None else wanted.batch
    if wanted.group is not None and batch is None:
        raise Invalid(
            "A group is one of a batch, and no batch is named.", field="group", hint="Name the batch, too."
        )
    if batch is not None:
        await batch_view(core, who, int(batch))
    window = _window(who, wanted, terms, None if batch is None else int(batch))
    limit = max(1, min(wanted.limit, PAGE_MAX))
    order = t.jobs.c.id if window.forward else t.jobs.c.id.desc()

    def read(connection: Connection) -> tuple[Sequence[Row[Any]], Marks, int, int | None]:
        dialect, now_ms = connection.dialect.name, core.clock.now_ms()
        conditions = [*(_where(term, dialect, now_ms) for term in terms), *_plain(wanted)]
        ids = window.ids.subquery()
        last = func.max(ids.c.id) if window.forward else func.min(ids.c.id)
        scanned, upto = connection.execute(select(func.count(), last).select_from(ids)).one()
        inside = select(window.ids.subquery().c.id)
        query = with_attempt(*_COLUMNS).where(t.jobs.c.id.in_(inside), *conditions)
        return *with_marks(connection, query.order_by(order).limit(limit + 1)), scanned, upto

    rows, marks, scanned, upto = await core.read(read)
    items = [view_of(core, row, marks) for row in rows[:limit]]
    if len(rows) > limit:
        return Page(items=items, next=str(items[-1].id))
    return Page(items=items, next=str(upto) if scanned >= SCANNED_MAX else None)


def _only(terms: Sequence[Term], column: str) -> str | int | None:
    """The one value that a column must have."""
    found = [each for each in terms if each.column == column and each.operator == "="]
    return found[0].values[0] if found and len(found[0].values) == 1 else None


def _window(who: Principal, wanted: JobFilter, terms: Sequence[Term], batch: int | None) -> _Window:
    j = t.jobs.c
    where: list[Any] = []
    state, name = wanted.state or _only(terms, "state"), wanted.name or _only(terms, "name")
    if state is not None:
        where += state_is(str(state))
    if name is not None:
        where.append(j.key == str(name))
    query = select(j.id).outerjoin(t.batches, t.batches.c.id == j.batch_id)
    if batch is not None and wanted.group is not None:
        of_group = jobs_of_group(batch, wanted.group, wanted.after or 0, SCANNED_MAX)
        return _Window(ids=of_group, forward=True)
    if batch is not None:
        ids = jobs_of_batch(
            query, batch, wanted.after, None if state is None else str(state), where, SCANNED_MAX
        )
        return _Window(ids=ids, forward=True)
    where += [] if wanted.after is None else [j.id < wanted.after]
    where.append(t.batches.c.state.is_distinct_from(DELETED))
    user = wanted.user or _only(terms, "user")
    ids = newest_jobs(query, scope_of(who), None if user is None else str(user), where, SCANNED_MAX)
    return _Window(ids=ids, forward=False)


def _plain(wanted: JobFilter) -> list[Any]:
    """What is asked for beside the search."""
    given = []
    if wanted.state is not None:
        given += state_is(wanted.state)
    for column, value in ((t.jobs.c.user, wanted.user), (t.jobs.c.key, wanted.name)):
        if value is not None:
            given.append(column == value)
    if wanted.pool is not None:
        given.append(_of_pool(wanted.pool))
    return given


def _where(term: Term, dialect: str, now_ms: int) -> Any:
    attempt = t.attempts.c
    expressions: dict[str, Any] = {
        "name": t.jobs.c.key,
        "user": t.jobs.c.user,
        "project": t.jobs.c.project,
        "batch": t.jobs.c.batch_id,
        "id": t.jobs.c.id,
        "pool": t.job_classes.c.pool,
        "worker": attempt.worker,
        "cause": t.jobs.c.cause,
        "message": attempt.message,
        "attempts": t.jobs.c.attempts,
        "exit_code": attempt.exit_code,
        "created": t.jobs.c.created_at_ms,
        "started": attempt.started_at_ms,
        "ended": t.jobs.c.ended_at_ms,
        "duration": func.coalesce(attempt.ended_at_ms, now_ms) - attempt.started_at_ms,
    }
    if term.column.startswith(ATTRIBUTE):
        of_range = select(json_text(t.job_ranges.c.attributes, term.column.removeprefix(ATTRIBUTE), dialect))
        of_range = of_range.where(t.job_ranges.c.first_job == range_of_job())
        expressions[term.column] = of_range.correlate(t.jobs).scalar_subquery()
    return condition(term, expressions, {"state": lambda label: and_(*state_is(label)), "group": _in_group})


def _in_group(path: str) -> Any:
    """Or in one below it."""
    r, g = t.job_ranges.c, t.job_groups.c
    below = f"{path}/"
    found = (
        select(r.first_job)
        .join(t.job_groups, and_(g.batch_id == r.batch_id, g.id == r.group_id))
        .where(r.first_job == range_of_job())
        .where(or_(g.path == path, func.substr(g.path, 1, len(below)) == below))
    )
    return found.correlate(t.jobs).exists()


def _of_pool(pool: str) -> Any:
    return t.job_classes.c.pool == pool
