"""Reports that were made at their times, and their schedules. Part of `Reads`.

They are of the whole ledger: who sees all costs sees them, and for others there are none.
"""

from dataclasses import replace
from functools import partial

from herder.control.access.access_check import OF_KIND, check
from herder.control.costs.report_schedules import own
from herder.control.costs.report_times import due_times, times_around
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Kind, Principal, scope_of
from herder.model.stored.report_records import CostReportRecord, ReportScheduleRecord
from herder.model.values.times import iso, iso_or_none
from herder.reports.documents import Document, Fact
from herder.reports.stored import Damaged, unpacked
from herder.store.rows.report_rows import ReportHead, report_heads, report_named
from herder.wire.api.cost_reports import ReportScheduleView, StoredReport
from herder.wire.api.resources import Page


class StoredReportReads:
    _core: Core

    async def stored_reports(
        self, who: Principal, schedule: str = "", after: str | None = None, limit: int = 100
    ) -> Page:
        """The newest first. `after`: as `next` of the page before. Raises Invalid."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        if scope_of(who, Kind.COST) is not None:
            return Page(items=[], total=0)
        found, total = await self._core.read(
            partial(report_heads, schedule=schedule, before=_cursor(after), limit=limit + 1)
        )
        more = len(found) > limit
        return Page(
            items=[_head(each) for each in found[:limit]],
            total=total,
            next=f"{found[limit - 1].due_ms}/{found[limit - 1].id}" if more else None,
        )

    async def stored_report(self, who: Principal, name: str) -> Document:
        """As it was made, with its hash. Raises NotKnown, and Conflict when its figures are not those that were stored."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        found: CostReportRecord | None = None
        if scope_of(who, Kind.COST) is None:
            found = await self._core.read(partial(report_named, name=name))
        if found is None:
            raise NotKnown(
                f"There is no report {name[:100]!r}.", hint="`herder cost reports list` lists them."
            )
        try:
            document = unpacked(found.body, found.digest)
        except Damaged as error:
            raise Conflict(
                f"Report {found.id} cannot be shown: {error}.",
                hint="The row was changed outside Herder. Take it from a backup, or make the report again with `herder cost report`.",
            ) from None
        facts = [
            Fact(key="report", value=found.id),
            Fact(key="due_at", value=iso(found.due_ms)),
            Fact(key="made_at", value=iso(found.made_at_ms)),
            Fact(key="digest", value=f"sha256:{found.digest}"),
        ]
        return replace(document, facts=[*document.facts, *facts])

    def report_schedules(self, who: Principal) -> Page:
        """By name."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        if scope_of(who, Kind.COST) is not None:
            return Page(items=[], total=0)
        now_ms = self._core.clock.now_ms()
        found = [_schedule(each, now_ms) for _, each in sorted(self._core.ledger.report_schedules.items())]
        return Page(items=found, total=len(found))

    def report_schedule(self, who: Principal, name: str) -> ReportScheduleView:
        """Raises NotKnown."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        if scope_of(who, Kind.COST) is not None:
            raise NotKnown(f"There is no schedule of reports {name[:100]!r}.")
        return _schedule(own(self._core, name), self._core.clock.now_ms())


def _cursor(after: str | None) -> tuple[int, str] | None:
    if not after:
        return None
    due, slash, name = after.partition("/")
    if not (slash and name and due.isascii() and due.isdigit() and len(due) < 18):
        raise Invalid(
            f"{after[:50]!r} is not where a page of reports ends.",
            field="after",
            hint="Write what `next` of the page before says.",
        )
    return int(due), name


def _head(found: ReportHead) -> StoredReport:
    return StoredReport(
        id=found.id, schedule=found.schedule, due_at=iso(found.due_ms), made_at=iso(found.made_at_ms),
        keep_until=iso(found.keep_until_ms), title=found.title, first_day=found.first_day, last_day=found.last_day,
        digest=found.digest,
    )  # fmt: skip


def _schedule(record: ReportScheduleRecord, now_ms: int) -> ReportScheduleView:
    times, _ = due_times(record, now_ms)
    return ReportScheduleView(
        name=record.name, period=record.period, view=record.view, division=record.division, method=record.method,
        booked=bool(record.booked), cron=record.cron, timezone=record.timezone, keep_s=record.keep_ms / 1000,
        created_by=record.created_by, created_at=iso(record.created_at_ms),
        next_at=iso_or_none(times_around(record.cron, record.timezone, now_ms // 60_000)[1]),
        waiting=len(times) + (record.asked_ms is not None), last_text=record.last_text,
    )  # fmt: skip
