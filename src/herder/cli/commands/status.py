"""`herder status`: the whole picture in one look."""

import typer

from herder.cli.options import Watch
from herder.cli.output.formats import Format
from herder.cli.output.overview import show_status
from herder.cli.output.views import POOLS
from herder.cli.session import session
from herder.cli.shape import command


def add_to(app: typer.Typer) -> None:
    @command(app, "status", example="herder status\nherder status -o json")
    def show(ctx: typer.Context, watch: Watch = False) -> None:
        """Show pools, waiting jobs, recent failures and spending."""
        say = session(ctx)
        if watch:
            from herder.cli.output.changes import watch as go_on

            go_on(say, POOLS, lambda: say.client.status().pools)
            return
        status = say.client.status()
        if say.format is Format.TABLE:
            show_status(say.printer, status)
        elif say.format in (Format.JSON, Format.YAML):
            say.printer.data(status)
        else:
            say.printer.items(POOLS, status.pools)
