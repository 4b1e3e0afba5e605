"""Scheduled reports of costs as tables. Used by `herder cost reports`."""

from herder.cli.output.columns import field, made, since
from herder.cli.output.rows import View

SCHEDULES = View(
    noun="schedule",
    name=lambda each: str(each.name),
    columns=(
        field("NAME", "name"),
        field("PERIOD", "period"),
        made(
            "VIEW",
            lambda each: f"{each.view} {each.division}".rstrip() + (" (booked)" if each.booked else ""),
            key="view",
        ),
        field("TIMES", "cron"),
        field("TIME ZONE", "timezone", drop=2),
        made("NEXT", lambda each: each.next_at or "-", key="next_at", drop=1),
        field("WAITING", "waiting", right=True),
        made("KEPT", lambda each: f"{each.keep_s / 86_400:,.0f}d", key="keep_s", right=True, wide=True),
        field("LAST", "last_text", wide=True),
    ),
    empty="No schedules of reports. Set one with: herder cost reports set weekly --period weekly",
)

REPORTS = View(
    noun="report",
    name=lambda each: str(each.id),
    columns=(
        field("ID", "id"),
        field("FROM", "first_day"),
        field("TO", "last_day"),
        field("SCHEDULE", "schedule", drop=2),
        since("AGE", "made_at", drop=3),
        made("HASH", lambda each: each.digest[:12], key="digest", drop=1),
        field("TITLE", "title", wide=True),
        field("DUE", "due_at", wide=True),
        field("KEPT UNTIL", "keep_until", wide=True),
    ),
    empty="No reports were made. Schedules make them: herder cost reports schedules",
)
