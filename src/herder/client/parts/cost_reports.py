"""Scheduled reports of costs: the part of the client that sets their schedules and reads what was made."""

from collections.abc import Iterator

from herder.client.http.transport import Transport
from herder.client.parts.fleet import segment
from herder.client.parts.pages import pages, whole
from herder.wire.api.cost_reports import ReportScheduleSet, ReportScheduleView, StoredReport
from herder.wire.api.resources import Result

_SCHEDULES = "/costs/report-schedules"


class CostReports:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, schedule: str | None = None, *, limit: int | None = None) -> Iterator[StoredReport]:
        """The newest first."""
        return pages(
            self._http,
            "/costs/reports",
            StoredReport,
            {"schedule": schedule} if schedule else {},
            limit=limit,
        )

    def get(self, name: str, form: str = "json", *, table: str | None = None) -> str:
        """`form`: json, csv, html, text or wide."""
        query = {"format": form, **({"table": table} if table else {})}
        return self._http.get_text(f"/costs/reports/{segment(name)}", query)

    def schedules(self) -> Iterator[ReportScheduleView]:
        """By name."""
        return whole(self._http, _SCHEDULES, ReportScheduleView)

    def schedule(self, name: str) -> ReportScheduleView:
        return self._http.get(f"{_SCHEDULES}/{segment(name)}", ReportScheduleView)

    def set(self, name: str, schedule: ReportScheduleSet) -> Result:
        return self._http.write("PUT", f"{_SCHEDULES}/{segment(name)}", Result, schedule)

    def run(self, name: str) -> Result:
        """Asks for a report; it is made within half a minute."""
        return self._http.write("POST", f"{_SCHEDULES}/{segment(name)}/run", Result)

    def delete(self, name: str) -> Result:
        """Its reports are kept."""
        return self._http.write("DELETE", f"{_SCHEDULES}/{segment(name)}", Result)
