"""Scheduled reports of costs as the API takes and shows them. Data only."""

import msgspec


class ReportScheduleSet(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is reported, when, and how long it is kept."""

    period: str
    """daily (the day so far), weekly (the last whole week) or monthly (the last whole month)."""
    cron: str = ""
    """Minute, hour, day, month, weekday; 1W as the day is the first weekday, Monday to Friday, of the month. Empty: 18:00 of each day, 09:00 of each Monday, 09:00 of each first weekday of a month."""
    timezone: str = "UTC"
    """An IANA name, such as Europe/Berlin."""
    view: str = "full"
    division: str = ""
    """Of the view division: which."""
    method: str = "proportional"
    """How idle time and overhead are shared out."""
    booked: bool = False
    """By month of booking, as invoices are, instead of by day of use; of monthly reports."""
    keep_s: float = 1100 * 86_400.0
    """How long each report is kept."""


class ReportScheduleView(msgspec.Struct, kw_only=True):
    name: str
    period: str
    view: str
    division: str
    method: str
    booked: bool
    cron: str
    timezone: str
    keep_s: float
    created_by: str
    created_at: str
    next_at: str | None
    """The next time. None: none is near."""
    waiting: int
    """Reports whose time has come, or that were asked for, and that are not made yet."""
    last_text: str
    """What became of the last one."""


class StoredReport(msgspec.Struct, kw_only=True):
    id: str
    schedule: str
    due_at: str
    """Its time; of one that was asked for, when it was asked for."""
    made_at: str
    keep_until: str
    title: str
    first_day: str
    last_day: str
    digest: str
    """SHA-256 of its figures."""
