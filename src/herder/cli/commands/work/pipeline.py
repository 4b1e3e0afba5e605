"""`herder pipeline`: configurations that jobs read by the name of their pipeline."""

from typing import Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.output.printer import Details
from herder.cli.output.terminal_text import TerminalText
from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import Yes, by_option
from herder.cli.shell.session import session
from herder.cli.views.pipelines import PIPELINES

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the pipeline.")]


def build() -> typer.Typer:
    app = noun(
        "Configurations that jobs read by the name of their pipeline.",
        example="herder pipeline set sensor-data --file pipeline.yaml",
    )
    set_example = (
        "herder pipeline set sensor-data --file pipeline.yaml\n"
        "cat pipeline.yaml | herder pipeline set sensor-data"
    )
    command(app, "set", example=set_example)(set_config)
    command(app, "list", example="herder pipeline list")(show_all)
    command(app, "get", example="herder pipeline get sensor-data\nherder pipeline get sensor-data -o json")(
        get
    )
    command(app, "delete", example="herder pipeline delete sensor-data --yes")(delete)
    return app


def set_config(
    ctx: typer.Context,
    name: Name,
    file: Annotated[
        str, typer.Option("--file", "-f", metavar="FILE", help="Text that jobs are to read. Default: stdin.")
    ] = "-",
    project: Annotated[str | None, typer.Option("--project", help="Its members may read it, too.")] = None,
) -> None:
    """Store the configuration of a pipeline, or replace it.

    Jobs that read it from now on get this text. It is not for passwords: use herder secret.
    """
    from pathlib import Path

    from herder.cli.input.attached_files import Inputs

    say = session(ctx)
    config = str(Inputs(Path()).stdin(file))
    with by_option(config="--file"):
        done = say.client.pipelines.set(name, config, project=project)
    say.done(f"Pipeline {name} has a configuration of {done.bytes:,} bytes.", done, name)


def show_all(ctx: typer.Context) -> None:
    """List pipelines that you may read: yours, those of your projects, and those of herder.yaml."""
    say = session(ctx)
    show_list(say, PIPELINES, lambda _most: list(say.client.pipelines.list()))


def get(ctx: typer.Context, name: Name) -> None:
    """Print the configuration of a pipeline as it is; with -o json also what is known of it."""
    say = session(ctx)
    found = say.client.pipelines.get(name)
    if say.format is not Format.TABLE:
        say.printer.one(PIPELINES, found, Details(rows=[], tables=[]))
        return
    text = TerminalText(say.out.isatty())
    say.out.write(text.of(found.config) + text.rest())


def delete(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete a pipeline. Jobs that ask for its configuration from now on get an error."""
    say = session(ctx)
    say.confirm(f"Pipeline {name} would be deleted.", yes=yes)
    done = say.client.pipelines.delete(name)
    say.done(done.text, done, name)
