"""`herder cost rebuild`: computes the ledger anew from the log of use and compares it with what is stored. Opens the store itself, as `herder admin invariants` does."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import session
from herder.client.connection import state_dir
from herder.model.values.phrases import clause, counted
from herder.server.data.options import DataDir, Store

if TYPE_CHECKING:
    from herder.store.ledger_rebuild import Rebuilt

EXAMPLE = "herder cost rebuild --check\nherder cost rebuild --check --data-dir /var/lib/herder"


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
    from sqlalchemy.exc import DBAPIError

    from herder.server.admin_commands.store import existing_file
    from herder.store.ledger_rebuild import rebuild as computed
    from herder.store.opening.database import StoreError, open_engine, sqlite_url

    url = store or sqlite_url(existing_file(data_dir or state_dir()).parent)
    try:
        engine = open_engine(url)
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            return computed(connection)
    except StoreError as error:
        raise CommandError(str(error), hint=error.hint, code=Code.FAILURE) from None
    except DBAPIError as error:
        raise CommandError(
            f"Cannot read the store: {clause(error.orig)}.",
            hint="Check that it is a store of this version of Herder.",
        ) from None
