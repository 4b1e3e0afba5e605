"""Routes for scheduled reports of costs: their schedules, and what was made."""

from fastapi import Request, Response

from herder.api.http.documents import DOCUMENT_FORM, document_reply
from herder.api.http.replies import page_size
from herder.api.http.route_table import RouteTable, Write
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.cost_reports import ReportScheduleSet, ReportScheduleView
from herder.wire.api.resources import Page, Result

_SEE, _CHANGE = (Action.SEE, Kind.COST), (Action.CHANGE, Kind.COST)
_SCHEDULE = "/costs/report-schedules/{schedule}"


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_reports(request: Request, who: Principal) -> Page:
        """Reports that were made at their times, the newest first. schedule: those of one."""
        asked = request.query_params
        return await reads.stored_reports(
            who, asked.get("schedule") or "", asked.get("after"), page_size(request)
        )

    async def get_report(request: Request, who: Principal) -> Response:
        """A report as it was made. format: json, csv, html, text or wide; table: one of its tables."""
        return document_reply(request, await reads.stored_report(who, request.path_params["report"]))

    async def list_schedules(request: Request, who: Principal) -> Page:
        """Schedules of reports."""
        return reads.report_schedules(who)

    async def get_schedule(request: Request, who: Principal) -> ReportScheduleView:
        """One schedule of reports, with its next time and what became of its last report."""
        return reads.report_schedule(who, _name(request))

    def set_schedule(write: Write) -> Result:
        """Set a schedule of reports."""
        return commands.set_report_schedule(
            write.who, _name(write.request), write.body, write.changes, write.now_ms
        )

    def run_schedule(write: Write) -> Result:
        """Ask for a report now, whatever its times are."""
        return commands.run_report_schedule(write.who, _name(write.request), write.changes, write.now_ms)

    def delete_schedule(write: Write) -> Result:
        """Delete a schedule of reports; its reports are kept."""
        return commands.delete_report_schedule(write.who, _name(write.request), write.changes, write.now_ms)

    front.read("/costs/reports", list_reports, Page, _SEE, query=("schedule",))
    front.read("/costs/reports/{report}", get_report, "text/plain", _SEE, query=DOCUMENT_FORM)
    front.read("/costs/report-schedules", list_schedules, Page, _SEE)
    front.read(_SCHEDULE, get_schedule, ReportScheduleView, _SEE)
    front.write("PUT", _SCHEDULE, set_schedule, ReportScheduleSet, Result, _CHANGE)
    front.write("POST", f"{_SCHEDULE}/run", run_schedule, None, Result, _CHANGE)
    front.write("DELETE", _SCHEDULE, delete_schedule, None, Result, _CHANGE)


def _name(request: Request) -> str:
    return str(request.path_params["schedule"])
