"""The loop of reports: makes each report whose time has come, once, and stores it with the hash of its figures.

That a time is dealt with is written in the commit that has its report, so a server that dies in between makes it again, and one that dies afterwards does not.
What was missed while no server ran is made up, of the days that it would have been of. What fails is told and tried again; what still fails after its last
try is skipped, so that it keeps no other report of its schedule from being made.
"""

import asyncio
import logging
from collections import defaultdict
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
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso
from herder.ports.store import StoreDown
from herder.reports.stored import digest_of, packed
from herder.store.rows.report_rows import PIECE, delete_reports, report_named, reports_above

#: Between two looks.
LOOK_S = 15.0
#: After a failure; doubled with each one after it.
RETRY_LEAST_S, RETRY_MOST_S = 60, 3_600
#: Of a report of a time: about a day. Of one that somebody has asked for and waits for: a quarter of an hour.
TRIES_MAX, ASKED_TRIES_MAX = 30, 5
#: Of the figures of one report.
BYTES_MAX = 8 * 1024 * 1024
#: Reports are of the whole ledger.
_WHO = Principal(UserName("herder"), Role.OPERATOR)
_LOG = logging.getLogger(__name__)


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
    await _delete_oldest(core)


async def _one(core: Core, name: str) -> bool:
    """Make the next report of a schedule; answers whether there may be another one."""
    record: ReportScheduleRecord | None = core.ledger.report_schedules.get(name)
    now_ms = core.clock.now_ms()
    if record is None or (record.next_try_ms is not None and now_ms < record.next_try_ms):
        return False
    due = _next(record, now_ms)
    if due is None:
        return False
    made = await _tried(core, record, due)
    if core.ledger.report_schedules.get(name) is not record:  # it was changed meanwhile
        return True
    skips = isinstance(made, str) and record.tries + 1 >= (ASKED_TRIES_MAX if due.asked else TRIES_MAX)
    with core.change(Changes()) as changes:
        if not isinstance(made, str):
            _done(core, changes, record, due, made)
        elif skips:
            _skipped(core, changes, record, due, made)
        else:
            _failed(core, changes, record, due, made)
    await core.commit(changes)
    return skips or not isinstance(made, str)


async def _tried(core: Core, record: ReportScheduleRecord, due: _Due) -> CostReportRecord | str:
    """The report, or why it cannot be made, as a sentence."""
    try:
        return await _made(core, record, due)
    except Refused as refused:
        return refused.detail
    except StoreDown:
        raise
    except Exception as error:  # noqa: BLE001 - an error in one report keeps no other from being made
        _LOG.exception("Report %s failed.", report_id(record, due.at_ms, asked=due.asked))
        return f"An error inside of Herder ({type(error).__name__}) is in the log of the server."


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
    text = f"Report {report.id} was made, of {report.first_day} to {report.last_day} (UTC)."
    changes.put(report)
    _settled(core, changes, record, due, text)
    _tell(core, changes, "report.made", record.name, text)


def _skipped(core: Core, changes: Changes, record: ReportScheduleRecord, due: _Due, why: str) -> None:
    name = report_id(record, due.at_ms, asked=due.asked)
    text = f"Report {name} was not made after {counted(record.tries + 1, 'try')} and is skipped. {why}"
    _settled(core, changes, record, due, text)
    _tell(core, changes, "report.skipped", record.name, text)


def _settled(core: Core, changes: Changes, record: ReportScheduleRecord, due: _Due, text: str) -> None:
    """This time is dealt with."""
    done = record._replace(tries=0, next_try_ms=None, last_text=text)
    done = done._replace(asked_ms=None) if due.asked else done._replace(handled_ms=due.at_ms)
    core.ledger.report_schedules[record.name] = done
    changes.put(done)
    if due.older:
        skipped = f"Reports of {record.name} before {iso(due.at_ms)} were not made: more than {CATCH_UP} were missed."
        _tell(core, changes, "report.skipped", record.name, skipped)


def _failed(core: Core, changes: Changes, record: ReportScheduleRecord, due: _Due, why: str) -> None:
    next_ms = core.clock.now_ms() + 1000 * min(RETRY_MOST_S, RETRY_LEAST_S * 2 ** min(record.tries, 10))
    name = report_id(record, due.at_ms, asked=due.asked)
    text = f"Report {name} was not made. {why} It is tried again at {iso(next_ms)}."
    failed = record._replace(tries=record.tries + 1, next_try_ms=next_ms, last_text=text)
    core.ledger.report_schedules[record.name] = failed
    changes.put(failed)
    _tell(core, changes, "report.failed", record.name, text)


def _tell(
    core: Core,
    changes: Changes,
    kind: str,
    schedule: str,
    text: str,
    data: dict[str, object] | None = None,
) -> None:
    record_event(core.state, changes, core.clock.now_ms(), kind, f"report/{schedule}", text, data=data)


async def _delete_oldest(core: Core) -> None:
    """Those above the bound of all. They are named before they are deleted: a server that dies in between names them again."""
    most = core.settings.retention.reports_max
    above: list[tuple[str, str]] = await core.read(partial(reports_above, most=most))
    for start in range(0, len(above), PIECE):
        of: dict[str, list[str]] = defaultdict(list)
        for name, schedule in above[start : start + PIECE]:
            of[schedule].append(name)
        with core.change(Changes()) as changes:
            for schedule, names in of.items():
                amount, verb = counted(len(names), "report"), agree(len(names), "was", "were")
                text = f"{amount} of {schedule} {verb} deleted, the last of them {names[-1]}: more than {most:,} are stored (reports_max)."
                _tell(core, changes, "report.deleted", schedule, text, {"reports": names})
        await core.commit(changes)
        names = [name for some in of.values() for name in some]
        await core.store.call(partial(delete_reports, names=names))
