"""`herder project`: quotas, use and borrowing of projects."""

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.session import session
from herder.cli.views.tables import PROJECTS


def build() -> typer.Typer:
    app = noun("Projects and their quotas.", example="herder project list")
    command(app, "list", example="herder project list -o wide")(show_all)
    return app


def show_all(ctx: typer.Context) -> None:
    """List projects with quota, use and borrowed amounts."""
    say = session(ctx)
    found = list(say.client.projects())
    say.printer.items(PROJECTS, found)
    if not found:
        say.say(PROJECTS.empty)
