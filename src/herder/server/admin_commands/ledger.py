"""`herder cost rebuild`: computes the ledger anew from the log of use and compares it with what is stored. Opens the store itself, as `herder admin invariants` does."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import CommandError
from herder.cli.shell.session import session
from herder.model.values.phrases import counted
from herder.server.admin_commands.store import stored
from herder.server.data.options import DataDir, Store

if TYPE_CHECKING:
    from herder.store.ledger_rebuild import Rebuilt

_EXAMPLE = "herder cost rebuild --check\nherder cost rebuild --check --data-dir /var/lib/herder"


def add_to(cost: typer.Typer) -> None:
    command(cost, "rebuild", example=_EXAMPLE)(rebuild)


def rebuild(
    ctx: typer.Context,
    data_dir: DataDir = None,
    store: Store = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 1 when a byte differs. Nothing is ever changed.")
    ] = False,
) -> None:
    """Compute the ledger anew from the log of use, and compare it with what is stored.

    Rows by day and the lines of closed months are compared byte for byte. Reads the store directly;
    the server may be running or not.
    """
    done = rebuilt(data_dir, store)
    say = session(ctx)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(done)
    else:
        typer.echo(
            f"{counted(done.entries, 'entry')} of the log with {counted(done.attempts, 'attempt')}, {counted(done.reports, 'report')}: {counted(done.rows, 'row')} by day, "
            f"{counted(done.months, 'closed month')} with {counted(done.lines, 'line')}."
        )
        for sentence in done.differences or ["What is stored is the same, byte for byte."]:
            typer.echo(sentence)
    if done.differences and check:
        raise CommandError(
            f"{counted(len(done.differences), 'difference')} between the log and the store.",
            hint="Restore a backup, or report this as a bug in Herder.",
        )


def rebuilt(data_dir: Path | None, store: str | None) -> "Rebuilt":
    """Raises CommandError for what is no store of Herder."""
    from herder.store.ledger_rebuild import rebuild as computed
    from herder.store.opening.one_moment import see_one_moment

    with stored(data_dir, store) as connection:
        see_one_moment(connection)
        return computed(connection)
