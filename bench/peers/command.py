"""The command line of the comparison: options in, ratios out. Run by `python -m bench.peers`."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bench.command import Form
from bench.machine import look
from bench.peers import report
from bench.peers.dramatiq import Dramatiq
from bench.peers.huey import Huey
from bench.peers.peer import Peer
from bench.peers.rounds import FULL, QUICK, run
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import session

NAME = "python -m bench.peers"
PEERS: dict[str, Peer] = {"huey": Huey(), "dramatiq": Dramatiq()}


def peers(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PEER]...", help="Only these (default: all).")
    ] = None,
    form: Annotated[
        Form, typer.Option("--output", "-o", metavar="FORMAT", help="table, json or markdown.")
    ] = Form.TABLE,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, and rough ratios.")] = False,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Ratios are medians of so many.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where the data goes (default: the system's temporary folder)."),
    ] = None,
) -> None:
    """Measure Herder and other job systems in turn, and print ratios.

    Installs the others from PyPI in an environment of their own, which is removed afterwards; as root on Debian also the
    system programs that they need, which stay. What cannot be installed is named. Peers: huey, dramatiq.
    """
    chosen = names or list(PEERS)
    unknown = [name for name in chosen if name not in PEERS]
    if unknown:
        raise CommandError(
            f"there is no peer {unknown[0]!r}", hint=f"There are: {', '.join(PEERS)}.", code=Code.USAGE
        )
    sizes = QUICK if quick else FULL
    say = session(ctx)
    with tempfile.TemporaryDirectory(prefix="herder-peers-", dir=folder) as place:
        machine = look(Path(place))
        outcome = run(
            [PEERS[name] for name in dict.fromkeys(chosen)],
            replace(sizes, rounds=rounds) if rounds else sizes,
            Path(place),
            say.say,
        )
    written = {Form.JSON: report.data, Form.MARKDOWN: report.markdown, Form.TABLE: report.table}[form]
    say.out.write(written(machine, outcome))


def main(words: Sequence[str]) -> int:
    from herder.cli.shell.main import run as run_app

    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    command(app, "peers", example=f"{NAME} --quick\n{NAME} huey --rounds 5 -o json")(peers)
    return run_app(app, words, name=NAME)
