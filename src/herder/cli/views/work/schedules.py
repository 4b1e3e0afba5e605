"""Schedules of batches as tables and in full."""

from typing import TYPE_CHECKING

from herder.cli.output.columns import field, made, since
from herder.cli.output.printer import Details
from herder.cli.output.rows import View

if TYPE_CHECKING:
    from herder.wire.api.schedules import ScheduleView

SCHEDULES = View(
    noun="schedule",
    name=lambda schedule: str(schedule.name),
    columns=(
        field("NAME", "name"),
        made("STATUS", lambda schedule: "paused" if schedule.paused else "active", key="status", state=True),
        field("CRON", "cron"),
        field("TIME ZONE", "timezone"),
        made("NEXT RUN", lambda each: each.next_runs[0] if each.next_runs else "-", key="next_run", drop=1),
        field("BATCH", "last_batch", right=True),
        since("LAST RUN", "last_run_at", drop=3),
        field("USER", "user", wide=True, drop=5),
        field("CONCURRENCY", "concurrency", wide=True, drop=6),
    ),
    empty='No schedules. Create one with: herder schedule create NAME --cron "0 2 * * *" --file jobs.yaml',
)


def schedule(view: "ScheduleView") -> Details:
    rows = [
        ("Schedule", view.name),
        ("Status", "paused" if view.paused else "active"),
        ("Times", f"{view.cron} ({view.timezone})"),
        ("Concurrency", view.concurrency),
        ("Catch-up", f"{view.catch_up_s:g} s"),
        ("Jobs", f"{view.jobs:,}"),
        ("User", f"{view.user} (project {view.project})"),
        ("Next runs", ", ".join(view.next_runs) or "none"),
        ("Last run", view.last_text or "none"),
    ]
    return Details(rows=rows, tables=[])
