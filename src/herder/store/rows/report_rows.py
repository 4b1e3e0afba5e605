"""Rows of scheduled reports: schedules are read when a server starts, reports when somebody asks for them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, or_, select

from herder.model.stored.report_records import CostReportRecord, ReportScheduleRecord
from herder.store.rows.report_tables import cost_reports, report_schedules

#: Reports that are deleted in one transaction, where the caller does not say: their figures may be large.
PIECE = 50
_c = cost_reports.c
#: All but the figures.
_HEAD = (_c.id, _c.schedule, _c.due_ms, _c.made_at_ms, _c.keep_until_ms, _c.title, _c.first_day, _c.last_day, _c.digest)  # fmt: skip


class ReportHead(NamedTuple):
    id: str
    schedule: str
    due_ms: int
    made_at_ms: int
    keep_until_ms: int
    title: str
    first_day: str
    last_day: str
    digest: str


def stored_schedules(connection: Connection) -> list[ReportScheduleRecord]:
    rows = connection.execute(select(report_schedules).where(report_schedules.c.deleted == 0))
    return [ReportScheduleRecord(*row) for row in rows]


def report_heads(
    connection: Connection, schedule: str, before: tuple[int, str] | None, limit: int
) -> tuple[list[ReportHead], int]:
    """The newest first, and how many there are. `schedule`: empty for all. `before`: time and id of the last one that was seen."""
    whole = select(*_HEAD)
    count = select(func.count()).select_from(cost_reports)
    if schedule:
        whole, count = whole.where(_c.schedule == schedule), count.where(_c.schedule == schedule)
    if before is not None:
        due_ms, name = before
        whole = whole.where(or_(_c.due_ms < due_ms, (_c.due_ms == due_ms) & (_c.id < name)))
    rows = connection.execute(whole.order_by(_c.due_ms.desc(), _c.id.desc()).limit(limit))
    return [ReportHead(*row) for row in rows], int(connection.execute(count).scalar() or 0)


def report_named(connection: Connection, name: str) -> CostReportRecord | None:
    row = connection.execute(select(cost_reports).where(_c.id == name)).first()
    return None if row is None else CostReportRecord(*row)


def forget_reports(
    connection: Connection, after: int, before_ms: int, piece: int | None = None
) -> int | None:
    """Those that were to be kept until then. A step of housekeeping."""
    size = min(piece or PIECE, PIECE)
    old = select(_c.id).where(_c.keep_until_ms < before_ms).order_by(_c.keep_until_ms).limit(size)
    deleted = connection.execute(delete(cost_reports).where(_c.id.in_(old))).rowcount
    return 0 if deleted == size else None


def reports_above(connection: Connection, most: int) -> list[tuple[str, str]]:
    """(id, schedule) of those that are more than so many, the oldest first."""
    query = select(_c.id, _c.schedule).order_by(_c.due_ms.desc(), _c.id.desc()).offset(most)
    return [(row.id, row.schedule) for row in connection.execute(query)][::-1]


def delete_reports(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(delete(cost_reports).where(_c.id.in_(names)))
