"""The command `herder simulate verify`. Added to the group by `simulate.py`; exits with 1 if a plan differs."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session, session
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.simulate.history.verify import Verified

_EXAMPLE = "herder simulate verify --from-events /var/lib/herder\nherder simulate verify --from-events herder.db -c herder.yaml"


def add_to(group: typer.Typer) -> None:
    command(group, "verify", example=_EXAMPLE)(verify)


def verify(
    ctx: typer.Context,
    *,
    from_events: Annotated[
        str,
        typer.Option(
            "--from-events",
            metavar="DB",
            help="Data folder of a server, its herder.db, or a database URL. It is only read.",
        ),
    ],
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config", "-c", "--file", "-f", help="Decide with the pools of this herder.yaml. Repeatable."
        ),
    ] = None,
) -> None:
    """Recompute a server's recorded plans, and compare them byte for byte.

    The planner of this version decides each recorded plan again from its recorded observation. The exit code is 1 when a plan differs. With
    --config the pools of other settings are used; differences are then shown, and the exit code is 0.
    """
    from herder.settings.load import load
    from herder.simulate.history.verify import verify as verified

    say = session(ctx)
    pools = (load(config).pools or ()) if config else ()
    if config and not pools:
        raise CommandError("These files define no pool.", code=Code.USAGE)
    try:
        found = verified(from_events, pools)
    except ValueError as error:
        raise CommandError(str(error), hint="--help shows what the command takes.", code=Code.USAGE) from None
    _show(say, found)
    if found.different and not config:
        raise CommandError(
            f"{found.different} of {found.compared} plans differ from what was recorded.",
            hint="If they were made by this version, report this as a bug.",
        )


def _show(say: Session, found: "Verified") -> None:
    from herder.simulate.history.verify import older_text

    if say.format in (Format.JSON, Format.YAML):
        say.printer.data({**dataclasses.asdict(found), "seconds": round(found.seconds, 6)})
        return
    if say.format is Format.CSV:
        say.printer.fields({**dataclasses.asdict(found), "seconds": round(found.seconds, 6)})
        return
    say.printer.line(f"{'plans':<16} {found.plans:,}")
    say.printer.line(f"{'compared':<16} {found.compared:,}  ({found.acting:,} of them with actions)")
    say.printer.line(f"{'equal':<16} {found.equal:,}")
    say.printer.line(f"{'different':<16} {found.different:,}")
    say.printer.line(
        f"{'not observed':<16} {found.unobserved:,}  (made by hand, or the observation is no longer kept)"
    )
    if found.older:
        say.printer.line(f"{'older':<16} {sum(found.older.values()):,}  ({older_text(found)})")
    for difference in found.differences:
        say.printer.line("")
        for line in difference.lines:
            say.printer.line(line)
    more = found.different - len(found.differences)
    if found.differences and more:
        say.printer.line(f"… and {counted(more, 'more plan')}")
    if not found.different:
        say.say("No problems found.")
