"""`herder plan`: the plan of this moment, and recorded plans."""

from typing import Annotated

import typer

from herder.cli.output.answers import show_list, show_plan
from herder.cli.shell.commands import command, noun
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import Limit
from herder.cli.shell.session import session
from herder.cli.views.tables import PLANS


def build() -> typer.Typer:
    app = noun(
        "Show the next plan, and recorded plans with their reasons.",
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
        bool,
        typer.Option("--exit-code", help="Exit with 9 when the plan has actions, with 0 when it has none."),
    ] = False,
) -> None:
    """Asks the planner; records and changes nothing. Only without a subcommand."""
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
    everything: Annotated[bool, typer.Option("--all", help="Include plans without actions.")] = False,
) -> None:
    """List recorded plans that had actions."""
    say = session(ctx)
    show_list(say, PLANS, lambda most: list(say.client.plans.list(actions=not everything, limit=most)), limit)


def get(
    ctx: typer.Context, number: Annotated[int, typer.Argument(metavar="PLAN", help="Number of the plan.")]
) -> None:
    """Show one recorded plan: its actions and the reasons."""
    say = session(ctx)
    show_plan(say, say.client.plans.get(number))
