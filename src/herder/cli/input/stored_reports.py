"""`herder cost reports`: reports that the server makes at given times, and their schedules."""

from typing import Annotated

import typer

from herder.cli.input.cost_reports import Html, Table, show_document
from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import Limit, Yes, by_option, seconds
from herder.cli.shell.session import session
from herder.cli.views.cost_reports import REPORTS, SCHEDULES

_SET = """
herder cost reports set weekly --period weekly --time-zone Europe/Berlin
herder cost reports set bills --period monthly --view chargeback
herder cost reports set evening --period daily --cron "0 18 * * 1-5"
"""
_GET = """
herder cost reports get weekly-20261130T090000Z
herder cost reports get weekly-20261130T090000Z --html weekly.html
"""
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]
Period = Annotated[
    str,
    typer.Option(
        "--period",
        metavar="PERIOD",
        help="daily (the day so far), weekly (the last whole week) or monthly (the last whole month).",
    ),
]
Cron = Annotated[
    str,
    typer.Option(
        "--cron",
        metavar="CRON",
        help="Minute, hour, day, month and weekday; 1W as the day is the first weekday of the month. Default: 0 18 * * * (daily), 0 9 * * 1 (weekly), 0 9 1W * * (monthly).",
    ),
]


def build() -> typer.Typer:
    app = noun(
        "Reports that the server makes at given times, and keeps.",
        example="herder cost reports set weekly --period weekly\nherder cost reports list",
    )
    command(app, "list", example="herder cost reports list\nherder cost reports list weekly -o wide")(
        show_all
    )
    command(app, "get", example=_GET)(get)
    command(app, "schedules", example="herder cost reports schedules -o wide")(schedules)
    command(app, "set", example=_SET)(set_schedule)
    command(app, "run", example="herder cost reports run weekly")(run)
    command(app, "delete", example="herder cost reports delete weekly --yes")(delete)
    return app


def show_all(
    ctx: typer.Context,
    schedule: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only reports of this schedule.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """List reports that were made, the newest first."""
    say = session(ctx)
    show_list(say, REPORTS, lambda most: list(say.client.cost_reports.list(schedule, limit=most)), limit)


def get(
    ctx: typer.Context,
    report: Annotated[str, typer.Argument(metavar="ID", help="Id of the report.")],
    table: Table = None,
    html: Html = None,
) -> None:
    """Show a report as it was made, whatever became known later.

    Its digest is the SHA-256 of its figures; the server checks it each time.
    """
    say = session(ctx)
    show_document(say, lambda form: say.client.cost_reports.get(report, form, table=table), html, report)


def schedules(ctx: typer.Context) -> None:
    """List schedules of reports, their next times, and what became of the last report (-o wide)."""
    say = session(ctx)
    show_list(say, SCHEDULES, lambda _: list(say.client.cost_reports.schedules()))


def set_schedule(
    ctx: typer.Context,
    name: Name,
    *,
    period: Period,
    cron: Cron = "",
    time_zone: Annotated[
        str,
        typer.Option(
            "--time-zone",
            metavar="ZONE",
            help="IANA name such as Europe/Berlin. Default: UTC.",
            show_default=False,
        ),
    ] = "UTC",
    view: Annotated[
        str, typer.Option("--view", metavar="VIEW", help="As for herder cost report. Default: full.")
    ] = "full",
    division: Annotated[
        str, typer.Option("--division", metavar="NAME", help="Of the view division: which.")
    ] = "",
    method: Annotated[
        str,
        typer.Option("--method", metavar="METHOD", help="As for herder cost report. Default: proportional."),
    ] = "proportional",
    booked: Annotated[
        bool, typer.Option("--booked", help="By month of booking; of monthly reports.")
    ] = False,
    keep: Annotated[
        str, typer.Option("--keep", metavar="TIME", help="Keep each report for so long. Default: 1100d.")
    ] = "1100d",
) -> None:
    """Create or change a schedule of reports. For administrators.

    A time at which no server ran is made up. A report that fails is told as the event report.failed
    and tried again. First weekdays are Monday to Friday; holidays are not known.
    """
    from herder.wire.api.cost_reports import ReportScheduleSet

    say = session(ctx)
    body = ReportScheduleSet(
        period=period, cron=cron, timezone=time_zone, view=view, division=division, method=method,
        booked=booked, keep_s=seconds(keep, "--keep") or 0.0,
    )  # fmt: skip
    with by_option(
        period="--period", cron="--cron", timezone="--time-zone", view="--view", division="--division",
        method="--method", booked="--booked", keep_s="--keep",
    ):  # fmt: skip
        done = say.client.cost_reports.set(name, body)
    if say.format is not Format.TABLE:
        say.done(done.text, done, name)
        return
    found = say.client.cost_reports.schedule(name)
    first = f" The next one is at {found.next_at}." if found.next_at else ""
    say.done(f"{done.text}{first}", done, name)


def run(ctx: typer.Context, name: Name) -> None:
    """Ask for a report now, whatever its times are. The server makes it within half a minute. For administrators."""
    say = session(ctx)
    done = say.client.cost_reports.run(name)
    say.done(done.text, done, done.object.partition("/")[2])


def delete(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete a schedule of reports; its reports are kept. For administrators."""
    say = session(ctx)
    say.confirm(f"Schedule {name} of reports would be deleted.", yes=yes)
    done = say.client.cost_reports.delete(name)
    say.done(done.text, done, name)
