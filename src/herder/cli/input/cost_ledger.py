"""The commands of `herder cost` that read the ledger of a server, and close its months."""

from datetime import date, timedelta
from typing import Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.shell.options import UNCHANGED, DryRun, Limit, Yes, by_option
from herder.cli.shell.session import Session, session
from herder.cli.views.costs import (
    LINES,
    MONTHS,
    NO_COSTS,
    SERIES,
    amount,
    explanation_lines,
    groups_view,
    sums_lines,
)
from herder.wire.api.costs import LineView

#: Groups of each kind in the overview.
MOST = 8
SHOW = """
herder cost show
herder cost show --from 2026-11 --to 2026-11
"""
BREAKDOWN = """
herder cost breakdown --by project
herder cost breakdown --by division,user --from 2026-11-01
herder cost breakdown --by pool,kind -o csv
"""
TRENDS = """
herder cost trends --from 2026-11-01
herder cost trends --from 2026-06 -o csv > daily.csv
"""
#: The days of a command, as its options are called.
by_days = by_option(first="--from", last="--to")
First = Annotated[
    str | None,
    typer.Option("--from", metavar="DAY", help="First day (UTC), or a month. Default: the month's first."),
]
Last = Annotated[
    str | None, typer.Option("--to", metavar="DAY", help="Last day (UTC), or a month. Default: today.")
]
Card = Annotated[
    str | None,
    typer.Option(
        "--card", metavar="CARD", help="What projects are charged at this rate card, instead of what it cost."
    ),
]
Booked = Annotated[
    bool,
    typer.Option(
        "--booked",
        help="By month of booking, as invoices are, instead of by day of use: corrections of earlier months are lines of their own.",
    ),
]
DIMENSIONS = "day, division, project, user, pool, worker, template, provider, zone, market, kind, resource, product, period"


@by_days
def show(ctx: typer.Context, first: First = None, last: Last = None, card: Card = None) -> None:
    """Show what was spent: in all, by kind, by project and by pool.

    A worker's cost is split among the jobs that asked for it; what nobody asked for is idle, and the
    time before it was ready is overhead. The parts sum to the whole.
    """
    say = session(ctx)
    total = say.client.costs.sums(first=first, last=last, card=card)
    if say.format in (Format.CSV, Format.JSON, Format.YAML, Format.NAME):
        say.printer.data(total) if say.format in (Format.JSON, Format.YAML) else say.printer.items(
            groups_view([]), total.groups
        )
        return
    lines = [f"{total.first_day} to {total.last_day} (UTC): {amount(total.total_usd)}"]
    for resource, quantity in total.unpriced.items():
        lines.append(f"  and {quantity} of {resource} without a rate: its cost is unknown")
    if not total.groups:
        lines.append(NO_COSTS)
    else:
        for title, by in (("By kind", "kind"), ("By project", "project"), ("By pool", "pool")):
            sums = say.client.costs.sums([by], first=first, last=last, card=card)
            lines += sums_lines(title, sums, MOST)
    say.say("\n".join(lines))


@by_days
def breakdown(
    ctx: typer.Context,
    by: Annotated[
        str, typer.Option("--by", metavar="DIMENSIONS", help=f"One or several of {DIMENSIONS}.")
    ] = "project",
    first: First = None,
    last: Last = None,
    card: Card = None,
) -> None:
    """Show costs by one dimension or several, to the last pico-dollar.

    The sums of the groups are the total, exactly. Use without a rate is listed as unpriced and not
    counted as zero.
    """
    say = session(ctx)
    names = [each.strip() for each in by.split(",") if each.strip()]
    sums = say.client.costs.sums(names, first=first, last=last, card=card)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(sums)
        return
    say.printer.items(groups_view(names), sums.groups)
    say.say(
        f"Total {amount(sums.total_usd)}, {sums.first_day} to {sums.last_day} (UTC)."
        if sums.groups
        else NO_COSTS
    )


@by_days
def trends(
    ctx: typer.Context,
    by: Annotated[
        str,
        typer.Option("--by", metavar="DIMENSION", help="Beside the day: division, project, pool and so on."),
    ] = "",
    first: First = None,
    last: Last = None,
    card: Card = None,
) -> None:
    """Show costs day by day (UTC).

    CSV without --by has the columns time and value and each day, as herder cost forecast and anomalies read them.
    """
    if session(ctx).format is Format.CSV and not by:
        _series(session(ctx), first, last, card)
        return
    breakdown(ctx, ",".join(filter(None, ("day", by))), first, last, card)


def _series(say: Session, first: str | None, last: str | None, card: str | None) -> None:
    """Each day to the last one with a cost, also those without: a series is evenly spaced."""
    sums = say.client.costs.sums(["day"], first=first, last=last, card=card)
    found = {group.values["day"]: group.cost_usd for group in sums.groups}
    rows = []
    day = date.fromisoformat(min(found, default=sums.last_day))
    while found and day.isoformat() <= max(found):
        rows.append({"time": day.isoformat(), "value": found.get(day.isoformat(), "0.0")})
        day += timedelta(days=1)
    say.printer.items(SERIES, rows)


@by_days
def lines(
    ctx: typer.Context,
    first: First = None,
    last: Last = None,
    card: Card = None,
    booked: Booked = False,
    limit: Limit = 100,
) -> None:
    """List the lines of the ledger, of which every figure is a sum.

    They are those of use on the days, with what became known later; with --booked those that are booked in the months, as on invoices.
    """
    say = session(ctx)

    def found(most: int | None) -> list[LineView]:
        return list(say.client.costs.lines(first=first, last=last, card=card, booked=booked, limit=most))

    say.say(
        "Lines by month of booking:" if booked else "Lines by day of use (--booked: by month of booking):"
    )
    show_list(say, LINES, found, limit)


def explain(
    ctx: typer.Context, line: Annotated[str, typer.Argument(metavar="LINE", help="Id of the line.")]
) -> None:
    """Explain a line: use × rate = amount, to the attempts and machines that used it."""
    say = session(ctx)
    found = say.client.costs.explain(line)
    say.done("\n".join(explanation_lines(found)), found, line)


def months(ctx: typer.Context) -> None:
    """List the months of the ledger: open, closing, closed."""
    say = session(ctx)
    show_list(say, MONTHS, lambda _: list(say.client.costs.months()))


def close(
    ctx: typer.Context,
    month: Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-11.")],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Close a month that has ended, and the ones before it.

    Its lines are stored and never change again. What becomes known later, as the use of a worker
    that was cut off, is a line of a later month that names the month it corrects.
    """
    say = session(ctx)
    would = say.client.costs.close_preview(month)
    if dry_run:
        say.done(would.text + UNCHANGED, would, month)
        return
    say.confirm(would.text, yes=yes)
    if yes:
        say.say(would.text)
    done = say.client.costs.close(month)
    say.done(done.text, done, month)
