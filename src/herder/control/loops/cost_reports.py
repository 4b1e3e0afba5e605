"""The loop of reports: makes each report whose time has come, once, and stores it with the hash of its figures.

That a time is dealt with is written in the commit that has its report, so a server that dies in between makes it again, and one that dies afterwards does not.
What was missed while no server ran is made up, of the days that it would have been of. What fails is told and tried again.
"""

import asyncio
from functools import partial
from typing import NamedTuple

from herder.control.costs.report_times import CATCH_UP, days_of, due_times, report_id
from herder.control.costs.use_by_day import fold, sample
from herder.control.kernel.bounds.errors import Refused, TooLarge
from herder.control.kernel.core import Core
from herder.control.reads.costs.report_reads import ReportAsk, ReportReads
from herder.engine.memory.events import record_event
from herder.model.ids import UserName
from herder.model.permissions import Principal, Role
from herder.model.stored.changes import Changes
from herder.model.stored.report_records import CostReportRecord, ReportScheduleRecord
from herder.model.values.times import iso
from herder.reports.stored import digest_of, packed
from herder.store.rows.report_rows import report_named

#: Between two looks.
LOOK_S = 15.0
#: After a failure; doubled with each one after it.
RETRY_LEAST_S, RETRY_MOST_S = 60, 3_600
#: Of the figures of one report.
BYTES_MAX = 8 * 1024 * 1024
#: Reports are of the whole ledger.
_WHO = Principal(UserName("herder"), Role.OPERATOR)


class _Reads(ReportReads):
    def __init__(self, core: Core) -> None:
        self._core = core


class _Due(NamedTuple):
    at_ms: int
    asked: bool
    older: bool
    """Times before it are too many to be made up."""


async def run(core: Core) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        if core.ledger.report_schedules and core.leadership.holds() and core.store.trouble is None:
            await look(core)


async def look(core: Core) -> None:
    """Make what is due, of each schedule in order."""
    for name in sorted(core.ledger.report_schedules):
        while await _one(core, name):
            pass


async def _one(core: Core, name: str) -> bool:
    """Make the next report of a schedule; answers whether there may be another one."""
    record: ReportScheduleRecord | None = core.ledger.report_schedules.get(name)
    now_ms = core.clock.now_ms()
    if record is None or (record.next_try_ms is not None and now_ms < record.next_try_ms):
        return False
    due = _next(record, now_ms)
    if due is None:
        return False
    made: CostReportRecord | Refused
    try:
        made = await _made(core, record, due)
    except Refused as refused:
        made = refused
    if core.ledger.report_schedules.get(name) is not record:  # it was changed meanwhile
        return True
    with core.change(Changes()) as changes:
        if isinstance(made, Refused):
            _failed(core, changes, record, due, made)
        else:
            _done(core, changes, record, due, made)
    await core.commit(changes)
    return not isinstance(made, Refused)


def _next(record: ReportScheduleRecord, now_ms: int) -> _Due | None:
    if record.asked_ms is not None:
        return _Due(record.asked_ms, asked=True, older=False)
    times, older = due_times(record, now_ms)
    return _Due(times[0], asked=False, older=older) if times else None


async def _made(core: Core, record: ReportScheduleRecord, due: _Due) -> CostReportRecord:
    """With all that was used by now. One that is stored already stays as it is. Raises Refused."""
    name = report_id(record, due.at_ms, asked=due.asked)
    stored: CostReportRecord | None = await core.read(partial(report_named, name=name))
    if stored is not None:
        return stored
    async with core.booking:
        await sample(core)
        await fold(core)
    first, last = days_of(record, due.at_ms)
    asked = ReportAsk(
        view=record.view, first=first.isoformat(), last=last.isoformat(), division=record.division,
        method=record.method, booked=bool(record.booked),
    )  # fmt: skip
    document = await _Reads(core).cost_report(_WHO, asked)
    body = await asyncio.to_thread(packed, document)
    if len(body.encode()) > BYTES_MAX:
        raise TooLarge(
            f"The report has {len(body.encode()):,} bytes; the maximum is {BYTES_MAX:,}.",
            hint="Name a smaller view.",
        )
    now_ms = core.clock.now_ms()
    return CostReportRecord(
        id=name, schedule=record.name, due_ms=due.at_ms, made_at_ms=now_ms, keep_until_ms=now_ms + record.keep_ms,
        title=document.title, first_day=first.isoformat(), last_day=last.isoformat(), digest=digest_of(body), body=body,
    )  # fmt: skip


def _done(
    core: Core, changes: Changes, record: ReportScheduleRecord, due: _Due, report: CostReportRecord
) -> None:
    now_ms = core.clock.now_ms()
    text = f"Report {report.id} was made, of {report.first_day} to {report.last_day} (UTC)."
    done = record._replace(tries=0, next_try_ms=None, last_text=text)
    done = done._replace(asked_ms=None) if due.asked else done._replace(handled_ms=due.at_ms)
    core.ledger.report_schedules[record.name] = done
    changes.put(done)
    changes.put(report)
    if due.older:
        skipped = f"Reports of {record.name} before {iso(due.at_ms)} were not made: more than {CATCH_UP} were missed."
        record_event(core.state, changes, now_ms, "report.skipped", f"report/{record.name}", skipped)
    record_event(core.state, changes, now_ms, "report.made", f"report/{record.name}", text)


def _failed(core: Core, changes: Changes, record: ReportScheduleRecord, due: _Due, refused: Refused) -> None:
    now_ms = core.clock.now_ms()
    next_ms = now_ms + 1000 * min(RETRY_MOST_S, RETRY_LEAST_S * 2 ** min(record.tries, 10))
    name = report_id(record, due.at_ms, asked=due.asked)
    text = f"Report {name} was not made. {refused.detail} It is tried again at {iso(next_ms)}."
    failed = record._replace(tries=record.tries + 1, next_try_ms=next_ms, last_text=text)
    core.ledger.report_schedules[record.name] = failed
    changes.put(failed)
    record_event(core.state, changes, now_ms, "report.failed", f"report/{record.name}", text)
