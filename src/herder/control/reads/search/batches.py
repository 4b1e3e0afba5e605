"""Search in batches, newest first. Called by `control/reads/port.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, cast, func, select

from herder.control.kernel.core import Core
from herder.control.reads.search.conditions import condition, json_text
from herder.control.reads.search.language import ATTRIBUTE, Column, Kind, Term, parse
from herder.control.reads.visibility import PAGE_MAX, in_view
from herder.control.reads.work.jobs import BATCH_STATES, PAGE, batch_page, batch_row_view
from herder.model.permissions import Principal, scope_of
from herder.store.rows import tables as t
from herder.store.writing.retention import DELETED
from herder.wire.api.resources import Page

#: Batches that one page looks at.
SCANNED_MAX = 20_000
_TEXT, _NUMBER, _TIME = Column(kind=Kind.TEXT), Column(kind=Kind.NUMBER), Column(kind=Kind.TIME)
COLUMNS = {
    "state": Column(kind=Kind.CHOICE, choices=BATCH_STATES),
    "name": _TEXT,
    "user": _TEXT,
    "project": _TEXT,
    "id": _NUMBER,
    "jobs": _NUMBER,
    "created": _TIME,
    "ended": _TIME,
    "duration": Column(kind=Kind.DURATION),
    ATTRIBUTE: _TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFilter:
    """`query`: a search (`language.py`)."""

    user: str | None = None
    state: str | None = None
    query: str | None = None
    after: int | None = None
    limit: int = PAGE


async def list_batches(core: Core, who: Principal, wanted: BatchFilter) -> Page:
    """Those that `who` may see, newest first. Raises Refused."""
    user, state, after, limit = wanted.user, wanted.state, wanted.after, wanted.limit
    if wanted.query is None:
        return await batch_page(core, who, user=user, state=state, after=after, limit=limit)
    terms = parse(wanted.query, COLUMNS, core.clock.now_ms())
    b, limit = t.batches.c, max(1, min(limit, PAGE_MAX))
    window = select(b.id).where(*in_view(scope_of(who), t.batches)).order_by(b.id.desc()).limit(SCANNED_MAX)
    window = window.where(b.state != DELETED)
    if after is not None:
        window = window.where(b.id < after)
    ids = window.subquery()
    now_ms = core.clock.now_ms()
    plain = [column == value for column, value in ((b.user, user), (b.state, state)) if value is not None]

    def read(connection: Connection) -> tuple[Sequence[Row[Any]], int, int | None]:
        where = [_where(term, connection.dialect.name, now_ms) for term in terms]
        query = select(t.batches).where(b.id.in_(select(ids.c.id)), *where, *plain)
        rows = connection.execute(query.order_by(b.id.desc()).limit(limit + 1)).all()
        scanned, upto = connection.execute(select(func.count(), func.min(ids.c.id)).select_from(ids)).one()
        return rows, scanned, upto

    rows, scanned, upto = await core.read(read)
    items = [batch_row_view(row) for row in rows[:limit]]
    if len(rows) > limit:
        return Page(items=items, next=str(items[-1].id))
    return Page(items=items, next=str(upto) if scanned >= SCANNED_MAX else None)


def _where(term: Term, dialect: str, now_ms: int) -> Any:
    b = t.batches.c
    expressions: dict[str, Any] = {
        "state": b.state,
        "name": b.name,
        "user": b.user,
        "project": b.project,
        "id": b.id,
        "jobs": b.jobs,
        "created": b.created_at_ms,
        "ended": b.ended_at_ms,
        "duration": func.coalesce(b.ended_at_ms, cast(now_ms, BigInteger)) - b.committed_at_ms,
    }
    if term.column.startswith(ATTRIBUTE):
        expressions[term.column] = json_text(b.attributes, term.column.removeprefix(ATTRIBUTE), dialect)
    return condition(term, expressions, {})
