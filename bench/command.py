"""The command line of the bench: options in, figures out. Run by `python -m bench`, which is what `make bench` calls."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.sizes import FULL, QUICK, Sizes
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import session


class Form(StrEnum):
    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


NAME = "python -m bench"


def bench(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MEASUREMENT]...", help="Only these (default: all).")
    ] = None,
    form: Annotated[
        Form, typer.Option("--output", "-o", metavar="FORMAT", help="table, json or markdown.")
    ] = Form.TABLE,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: a minute, and rough figures.")] = False,
    store: Annotated[
        list[str] | None,
        typer.Option(
            "--store",
            metavar="STORE",
            help="sqlite (default), postgres (a temporary server, or $HERDER_TEST_POSTGRES_URL) or the URL of one "
            "whose role may create databases. Repeat for more.",
        ),
    ] = None,
    events: Annotated[
        int | None,
        typer.Option("--events", min=100_000, help="Events of ledger-rebuild; about 200 bytes each on disk."),
    ] = None,
    runs: Annotated[int | None, typer.Option("--runs", min=1, help="Figures are medians of so many.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where the data goes (default: the system's temporary folder)."),
    ] = None,
) -> None:
    """Measure how fast Herder is on this machine.

    Starts servers and agents of its own and removes them. CPU times and ratios can be compared between runs; rates and
    latencies only when nothing else runs. Measurements: bulk-submit, single-submits, noop-jobs, process-jobs,
    submit-to-start, long-queue, idle-workers, replay, decisions, retention, usage, ledger-rebuild,
    focus-export, budget-decisions, recovery, reconnect, cluster, data, containers.
    """
    from bench.bench import MEASUREMENTS

    chosen = names or list(MEASUREMENTS)
    unknown = [name for name in chosen if name not in MEASUREMENTS]
    if unknown:
        raise CommandError(
            f"there is no measurement {unknown[0]!r}",
            hint=f"There are: {', '.join(MEASUREMENTS)}.",
            code=Code.USAGE,
        )
    sizes = QUICK if quick else FULL
    if events:
        sizes = replace(sizes, ledger_events=events)
    say = session(ctx)
    text = _run(
        chosen,
        replace(sizes, runs=runs) if runs else sizes,
        store or ["sqlite"],
        folder,
        form,
        say=say.say,
        color=say.colored(say.out),
    )
    say.out.write(text)


def _run(
    names: Sequence[str],
    sizes: Sizes,
    stores: Sequence[str],
    folder: Path | None,
    form: Form,
    *,
    say: Callable[[str], None],
    color: bool,
) -> str:
    from bench import report
    from bench.bench import Bench, run
    from bench.machine import look
    from bench.server.stores import open_store

    with tempfile.TemporaryDirectory(prefix="herder-bench-", dir=folder) as place:
        machine = look(Path(place))
        measured = []
        for which in stores:
            with open_store(which) as store:
                one = Bench(sizes=sizes, store=store, folder=Path(place), say=say)
                measured.append(report.Measured(store=store.title, figures=tuple(run(one, names))))
    if form is Form.JSON:
        return report.data(machine, measured)
    if form is Form.MARKDOWN:
        return report.markdown(machine, measured)
    return report.table(machine, measured, color=color)


def main(words: Sequence[str]) -> int:
    from herder.cli.shell.main import run

    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    command(app, "bench", example=f"{NAME} --quick\n{NAME} noop-jobs --store postgres -o json")(bench)
    return run(app, words, name=NAME)
