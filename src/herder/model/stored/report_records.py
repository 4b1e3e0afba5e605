"""Rows of scheduled reports of costs; otherwise as `records.py` says, which knows them among all records."""

from typing import NamedTuple


class ReportScheduleRecord(NamedTuple):
    """A report that is made at the times of a cron expression (`control/costs/report_schedules.py`)."""

    name: str
    period: str
    """daily, weekly, monthly: of which days it is."""
    view: str
    division: str
    method: str
    booked: int
    cron: str
    timezone: str
    keep_ms: int
    """How long its reports are kept."""
    created_by: str
    created_at_ms: int
    handled_ms: int
    """Up to here its times are dealt with."""
    asked_ms: int | None
    """When somebody asked for a report beside its times that is not made yet."""
    tries: int
    """Of the report that is next, and failed."""
    next_try_ms: int | None
    last_text: str
    """What became of the last one, as a sentence."""
    deleted: int = 0


class CostReportRecord(NamedTuple):
    """A report as it was made; it never changes."""

    id: str
    """Of its schedule and time, so that there is one at most."""
    schedule: str
    due_ms: int
    made_at_ms: int
    keep_until_ms: int
    title: str
    first_day: str
    last_day: str
    digest: str
    """SHA-256 of `body`."""
    body: str
    """`reports.documents.Document` as JSON, from which each format is made."""
