"""`herder plan`: what would be done now, and what was decided before."""

from typing import Annotated

import typer

from herder.cli.exits import Code
from herder.cli.options import Limit
from herder.cli.output.answers import show_list, show_plan
from herder.cli.output.views import PLANS
from herder.cli.session import session
from herder.cli.shape import command, noun


def build() -> typer.Typer:
    app = noun(
        "See what would be done now, and what was decided.",
        example="herder plan\nherder plan list",
        alone=True,
    )
    app.callback()(now)
    command(app, "list", example="herder plan list --limit 10")(show_all)
    command(app, "get", example="herder plan get 42")(get)
    return app


def now(
    ctx: typer.Context,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 9 when there is something to do, 0 when not.")
    ] = False,
) -> None:
    """Asks the planner, and records and changes nothing. Only without a verb."""
    if ctx.invoked_subcommand is not None:
        return
    say = session(ctx)
    plan = say.client.plans.next()
    show_plan(say, plan)
    if exit_code and not plan.empty:
        raise typer.Exit(Code.CHANGES_PENDING)


def show_all(
    ctx: typer.Context,
    limit: Limit = 50,
    everything: Annotated[
        bool, typer.Option("--all", help="Also plans in which nothing was to be done.")
    ] = False,
) -> None:
    """List the plans that did something."""
    say = session(ctx)
    show_list(say, PLANS, lambda most: list(say.client.plans.list(actions=not everything, limit=most)), limit)


def get(
    ctx: typer.Context, number: Annotated[int, typer.Argument(metavar="PLAN", help="A plan's number.")]
) -> None:
    """Show one plan: its actions, and what the planner saw and why."""
    say = session(ctx)
    show_plan(say, say.client.plans.get(number))
