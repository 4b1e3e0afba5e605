"""Tables of scheduled reports of costs. Columns stand in the order of the records (`model/stored/report_records.py`)."""

from sqlalchemy import Index, Table

from herder.model.stored.report_records import CostReportRecord, ReportScheduleRecord
from herder.store.rows.columns import metadata, number, words

report_schedules = Table(
    "report_schedules",
    metadata,
    words("name", key=True),
    *map(words, ("period", "view", "division", "method")),
    number("booked"),
    *map(words, ("cron", "timezone")),
    number("keep_ms"),
    words("created_by"),
    *map(number, ("created_at_ms", "handled_ms")),
    number("asked_ms", null=True),
    number("tries"),
    number("next_try_ms", null=True),
    words("last_text"),
    number("deleted"),
)

cost_reports = Table(
    "cost_reports",
    metadata,
    words("id", key=True),
    words("schedule"),
    *map(number, ("due_ms", "made_at_ms", "keep_until_ms")),
    *map(words, ("title", "first_day", "last_day", "digest", "body")),
)
Index("cost_reports_by_age", cost_reports.c.keep_until_ms)
Index("cost_reports_by_time", cost_reports.c.due_ms, cost_reports.c.id)

TABLE_OF: dict[type, Table] = {ReportScheduleRecord: report_schedules, CostReportRecord: cost_reports}
