"""The commands of `herder cost` about saving: recommendations and their results, why a day cost more, and what came back for what was spent."""

from typing import Annotated

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command
from herder.cli.shell.session import session
from herder.cli.views.costs import amount
from herder.cli.views.savings import RECOMMENDATIONS, change_lines, details, result_lines, roi_lines

_RECOMMEND = """
herder cost recommend
herder cost recommend --priority high -o csv
herder cost recommend opt-0f6c1b2a9d
"""
_ROI = """
herder cost roi --hours-saved 120
herder cost roi --period 2026-11 --hours-saved 120.5 --hourly-rate 90
"""
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the recommendation.")]


def add(app: typer.Typer) -> None:
    command(app, "recommend", example=_RECOMMEND)(recommend)
    command(app, "approve", example="herder cost approve opt-0f6c1b2a9d")(approve)
    command(app, "implement", example="herder cost implement opt-0f6c1b2a9d")(implement)
    command(app, "roll-back", example="herder cost roll-back opt-0f6c1b2a9d")(roll_back)
    command(app, "results", example="herder cost results opt-0f6c1b2a9d")(results)
    command(app, "why", example="herder cost why\nherder cost why 2026-11-28 -o json")(why)
    command(app, "roi", example=_ROI)(roi)


def recommend(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Show this one in full, with the command that carries it out."),
    ] = None,
    priority: Annotated[
        str | None, typer.Option("--priority", help="Only those of this priority: high, medium, low.")
    ] = None,
) -> None:
    """List what would save costs, the largest saving first; or show one recommendation.

    The facts are those of the last 30 whole days (UTC), and are looked at every hour. What was not
    measured is unknown, and nothing is recommended because of it. Amounts are of a month of 30 days.
    """
    say = session(ctx)
    if name is not None:
        found = say.client.costs.recommendation(name)
        say.printer.one(RECOMMENDATIONS, found, details(found))
        return
    known = say.client.costs.recommendations(priority)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(known)
        return
    say.printer.items(RECOMMENDATIONS, known.items)
    if known.looked_at is None:
        say.say(
            "The server has not looked at the facts yet. It does half a minute after its start, and every hour."
        )
    elif not known.items:
        say.say(
            RECOMMENDATIONS.empty if priority is None else f"No recommendations have priority {priority}."
        )
    else:
        rate = known.implementation_percent
        said = (
            ""
            if rate is None
            else f" Carried out: {known.implemented:,} of {known.recommended:,} ({rate:g} %)."
        )
        say.say(f"Those that wait would save {amount(known.saving_usd)} a month.{said}")


def approve(ctx: typer.Context, name: Id) -> None:
    """Approve a recommendation, for administrators: what changes much needs it, by default more than $10 a month.

    The command and the amount are approved. When the command changes, or the amount grows by more than
    10 %, the approval ends; the recommendation says so, and is approved again.
    """
    say = session(ctx)
    done = say.client.costs.approve(name)
    say.done(done.text, done, name)


def implement(ctx: typer.Context, name: Id) -> None:
    """Note that you carry a recommendation out now, or begin or end its pilot.

    Herder changes no job by itself: run the command of the recommendation. From then on its results
    are measured. What saves much, by default more than $25 a month, begins with a pilot, by default of
    7 days. The same command ends a pilot that was a success. One that was not ends by itself as failed.
    """
    say = session(ctx)
    done = say.client.costs.implement(name)
    say.done(done.text, done, name)


def roll_back(ctx: typer.Context, name: Id) -> None:
    """Note that you have undone the change of a recommendation; its pilot ends with it.

    Herder changes no job by itself: use the requests of before again. What was rolled back is not
    recommended again for 400 days.
    """
    say = session(ctx)
    done = say.client.costs.roll_back(name)
    say.done(done.text, done, name)


def results(ctx: typer.Context, name: Id) -> None:
    """Show what a recommendation was projected to save, and what it has saved, by attempt."""
    say = session(ctx)
    found = say.client.costs.results(name)
    say.done("\n".join(result_lines(found)), found, name)


def why(
    ctx: typer.Context,
    day: Annotated[
        str, typer.Argument(metavar="DAY", help="A day (UTC), such as 2026-11-28. Default: yesterday.")
    ] = "",
) -> None:
    """Explain why a day cost more or less than the 7 days before: who and what.

    Periods such as daily or 2026-11 are refused. Of today it is what was spent so far.
    """
    say = session(ctx)
    found = say.client.costs.change(day)
    say.done("\n".join(change_lines(found)), found, found.day)


def roi(
    ctx: typer.Context,
    hours_saved: Annotated[
        str, typer.Option("--hours-saved", metavar="HOURS", help="Hours of people that were saved.")
    ] = "0",
    hourly_rate: Annotated[
        str, typer.Option("--hourly-rate", metavar="USD", help="What an hour of a person costs.")
    ] = "75",
    fewer_errors: Annotated[
        str,
        typer.Option(
            "--fewer-errors", metavar="USD", help="What errors that did not happen would have cost."
        ),
    ] = "0",
    faster_delivery: Annotated[
        str, typer.Option("--faster-delivery", metavar="USD", help="What it was worth to be earlier.")
    ] = "0",
    period: Annotated[
        str,
        typer.Option(
            "--period",
            metavar="PERIOD",
            help="daily, weekly, monthly (up to today), 30d, 2026-11 or 2026-11-28.",
        ),
    ] = "monthly",
) -> None:
    """Show the return on investment: what came back for what was spent.

    What was spent is the ledger's; what it was worth, you say.
    """
    say = session(ctx)
    found = say.client.costs.roi(
        period=period, hours_saved=hours_saved, hourly_rate=hourly_rate, error_reduction=fewer_errors, faster_delivery=faster_delivery
    )  # fmt: skip
    say.done("\n".join(roi_lines(found)), found, f"{found.first_day}/{found.last_day}")
