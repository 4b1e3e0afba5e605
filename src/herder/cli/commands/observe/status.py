"""`herder status`: a summary of the fleet."""

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command
from herder.cli.shell.options import Watch
from herder.cli.shell.session import Session, session
from herder.cli.views.status import same_as, show_status
from herder.cli.views.tables import POOLS


def add_to(app: typer.Typer) -> None:
    @command(app, "status", example="herder status\nherder status -o json")
    def show(ctx: typer.Context, watch: Watch = False) -> None:
        """Show pools, waiting jobs, recent failures and cost."""
        say = session(ctx)
        if watch:
            _watch(say)
            return
        status = say.client.status()
        if say.format is Format.TABLE:
            show_status(say.printer, status)
        elif say.format in (Format.JSON, Format.YAML):
            say.printer.data(status)
        else:
            say.printer.items(POOLS, status.pools)


def _watch(say: Session) -> None:
    """The same view again and again; with -o name, wide or csv the pools, as without --watch."""
    from herder.cli.output.watch import watch, watch_whole

    if say.format in (Format.TABLE, Format.JSON, Format.YAML):
        watch_whole(say, say.client.status, show_status, same_as)
    else:
        watch(say, POOLS, lambda: say.client.status().pools)
