"""`herder whoami`: the caller as the server sees it: user, role, token, projects."""

import typer

from herder.cli.output.formats import Format
from herder.cli.output.humanize import age
from herder.cli.output.printer import Details
from herder.cli.shell.commands import command
from herder.cli.shell.session import session


def add_to(app: typer.Typer) -> None:
    command(app, "whoami", example="herder whoami\nherder whoami -o json")(whoami)


def whoami(ctx: typer.Context) -> None:
    """Show your user, role, token and projects."""
    say = session(ctx)
    found = say.client.who_am_i()
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(found)
        return
    if say.format is Format.CSV:
        say.printer.fields(found)
        return
    if say.format is not Format.TABLE:
        say.printer.line(found.user)
        return
    narrowed = f" (the user has role {found.user_role})" if found.role != found.user_role else ""
    ends = f"expires {age(found.expires_at, say.printer.now_s)}" if found.expires_at else "does not expire"
    projects = ", ".join(f"{name} ({role})" for name, role in found.projects.items())
    rows = [
        ("User", found.user),
        ("Role", found.role + narrowed),
        ("Token", f"{found.token}, {ends}"),
        ("Member of", projects or "no project with members"),
    ]
    say.printer.details(Details(rows=rows, tables=[]))
