"""Schedules of reports: set, asked for and deleted. Called by `Commands`; the loop of reports makes what is due.

Reports are of the whole ledger, so schedules belong to nobody, and whoever sees all costs sees them.
"""

import re

from herder.control.access.access_check import OF_KIND, check
from herder.control.costs.months import payers_of
from herder.control.costs.report_times import PERIODS, TIMES, due_times, report_id, wrong_times
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown, Overloaded
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.allocation import Method
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.stored.report_records import ReportScheduleRecord
from herder.model.values.phrases import counted
from herder.reports.period import View
from herder.reports.statements import Model
from herder.settings.syntax.cron import fault
from herder.wire.api.cost_reports import ReportScheduleSet
from herder.wire.api.resources import Result

SCHEDULES_MOST = 100
KEEP_LEAST_S, KEEP_MOST_S = 86_400.0, 36_500 * 86_400.0
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def set_schedule(
    core: Core, who: Principal, name: str, body: ReportScheduleSet, changes: Changes, now_ms: int
) -> Result:
    """Times that have come and wait, because their report failed, are tried again at once; a change of the times ends their wait, and an event says so. Raises Refused."""
    check(who, Action.CHANGE, OF_KIND[Kind.COST], "Setting a schedule of reports")
    known = core.ledger.report_schedules
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:63]!r} is not a valid name.",
            field="name",
            hint="Write up to 63 small letters, digits and -, such as weekly.",
        )
    _check(core, body, now_ms)
    before = known.get(name)
    if before is None and len(known) >= SCHEDULES_MOST:
        raise Overloaded(
            f"There are {len(known)} schedules of reports, the maximum.",
            hint="Delete some with `herder cost reports delete`.",
        )
    record = ReportScheduleRecord(
        name=name, period=body.period, view=body.view, division=body.division, method=body.method, booked=int(body.booked),
        cron=body.cron or TIMES[body.period], timezone=body.timezone, keep_ms=int(body.keep_s * 1000),
        created_by=who.actor, created_at_ms=now_ms, handled_ms=now_ms, asked_ms=None, tries=0, next_try_ms=None, last_text="",
    )  # fmt: skip
    if before is not None:
        record = record._replace(
            created_by=before.created_by, created_at_ms=before.created_at_ms, asked_ms=before.asked_ms, last_text=before.last_text
        )  # fmt: skip
        if (before.cron, before.timezone) == (record.cron, record.timezone):
            record = record._replace(handled_ms=before.handled_ms)
        else:
            _tell_skipped(core, changes, before, "its times were changed", now_ms)
    known[name] = record
    changes.put(record)
    text = f"Report {name} is made at {record.cron} ({record.timezone}), as {who.actor} has set."
    record_event(core.state, changes, now_ms, "report.scheduled", f"report/{name}", text, actor=who.actor)
    return Result(object=f"report/{name}", text=text)


def _check(core: Core, body: ReportScheduleSet, now_ms: int) -> None:
    views = [each.value for each in View]
    for field, value, known in (
        ("period", body.period, PERIODS),
        ("view", body.view, (*views, *(each.value for each in Model))),
        ("method", body.method, tuple(each.value for each in Method)),
    ):
        if value not in known:
            raise Invalid(
                f"There is no {field} {value[:50]!r}.", field=field, hint=f"Name one of {', '.join(known)}."
            )
    _check_what(core, body)
    cron = body.cron or TIMES[body.period]
    wrong = wrong_times(cron, body.timezone, now_ms)
    if wrong is not None:
        zone = fault("* * * * *", body.timezone) is not None
        raise Invalid(f"The times cannot be used: {wrong}.", field="timezone" if zone else "cron")
    if not KEEP_LEAST_S <= body.keep_s <= KEEP_MOST_S:
        raise Invalid("A report is kept for between 1 day and 36,500 days.", field="keep_s")


def _check_what(core: Core, body: ReportScheduleSet) -> None:
    if body.booked and body.period != "monthly":
        raise Invalid(
            f"A report by month of booking is of whole months, not {body.period}.",
            field="booked",
            hint="Write period monthly.",
        )
    if (body.view == View.DIVISION.value) is not bool(body.division):
        raise Invalid(
            "The view division needs a division, and no other view takes one.",
            field="division",
            hint="Name the view division and its division, or neither.",
        )
    divisions = {each.division for each in payers_of(core).projects.values()}
    if body.division and body.division not in divisions:
        raise Invalid(
            f"There is no division {body.division[:50]!r}.",
            field="division",
            hint="Name one that a project has under `projects` in herder.yaml.",
        )


def run(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
    """Ask for a report now, whatever its times are."""
    check(who, Action.CHANGE, OF_KIND[Kind.COST], "Asking for a report")
    record = own(core, name)
    if record.asked_ms is not None:
        raise Conflict(
            f"Report {report_id(record, record.asked_ms, asked=True)} was asked for and is not made yet.",
            hint="`herder cost reports schedules` says why.",
        )
    made = report_id(record, now_ms, asked=True)
    record = record._replace(asked_ms=now_ms, tries=0, next_try_ms=None)
    core.ledger.report_schedules[name] = record
    changes.put(record)
    text = f"Report {made} was asked for by {who.actor}. It is made within half a minute."
    record_event(core.state, changes, now_ms, "report.requested", f"report/{name}", text, actor=who.actor)
    return Result(object=f"report/{made}", text=text)


def delete(core: Core, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
    check(who, Action.CHANGE, OF_KIND[Kind.COST], "Deleting a schedule of reports")
    record = own(core, name)
    _tell_skipped(core, changes, record, "its schedule was deleted", now_ms)
    del core.ledger.report_schedules[name]
    changes.put(record._replace(deleted=1))
    text = f"Schedule {name} of reports was deleted by {who.actor}. Its reports are kept."
    record_event(core.state, changes, now_ms, "report.unscheduled", f"report/{name}", text, actor=who.actor)
    return Result(object=f"report/{name}", text=text)


def own(core: Core, name: str) -> ReportScheduleRecord:
    """Raises NotKnown."""
    record: ReportScheduleRecord | None = core.ledger.report_schedules.get(name)
    if record is None:
        raise NotKnown(
            f"There is no schedule of reports {name[:100]!r}.",
            hint="`herder cost reports schedules` lists them.",
        )
    return record


def _tell_skipped(core: Core, changes: Changes, record: ReportScheduleRecord, why: str, now_ms: int) -> None:
    """Of reports that were due or asked for."""
    times, older = due_times(record, now_ms)
    count = len(times) + (record.asked_ms is not None and why == "its schedule was deleted")
    if not count:
        return
    amount = f"At least {counted(count, 'report')}" if older else counted(count, "report")
    verb = "was" if count == 1 else "were"
    text = f"{amount} of {record.name} {verb} due and {verb} not made: {why}."
    record_event(core.state, changes, now_ms, "report.skipped", f"report/{record.name}", text)
