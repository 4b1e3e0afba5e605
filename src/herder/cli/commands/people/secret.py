"""`herder secret`: create, list, get, rotate and delete secrets. A value comes from stdin or a file, never from an argument, and is shown by
no command."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import UNCHANGED, DryRun, Yes, by_option
from herder.cli.shell.session import session
from herder.cli.views.secrets import SECRETS, details

#: Of a value, as the server takes it; one byte more is read, to see that it is too large.
BYTES_MAX = 64 * 1024

_NAME = Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret.")]
_PROJECT = Annotated[
    str | None, typer.Option("--project", help="A secret of this project; default: one of yours.")
]
_USER = Annotated[
    str | None, typer.Option("--user", help="A secret of this user; only administrators may name another.")
]
_FILE = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Read the value from this file, as it is; default: stdin."),
]


def build() -> typer.Typer:
    app = noun(
        "Passwords and keys for jobs, stored encrypted.",
        example="cat password.txt | herder secret create db\nherder job submit --secret db=env:DB_PASSWORD -- ./load.sh",
    )
    command(
        app,
        "create",
        example="cat password.txt | herder secret create db\nherder secret create key --file id_ed25519 --project genomics",
    )(create)
    command(app, "list", example="herder secret list\nherder secret list --project genomics")(show_all)
    command(app, "get", example="herder secret get db")(get)
    command(app, "rotate", example="cat new-password.txt | herder secret rotate db")(rotate)
    command(app, "delete", example="herder secret delete db --yes")(delete)
    return app


def create(ctx: typer.Context, name: _NAME, file: _FILE = None, project: _PROJECT = None) -> None:
    """Store a secret; its value is read from stdin or a file.

    On a terminal the value is asked for and not shown. Of stdin one line break at the end is removed; a file is taken as it is. Jobs use the
    secret with --secret. No command and no API call shows the value again.
    """
    say = session(ctx)
    value = _value(file)
    with by_option(name="NAME", value="--file", project="--project"):
        made = say.client.secrets.create(name, value, project=project)
    say.done(f"Secret {name} was created. Use it with: --secret {name}=env:VARIABLE", made, name)


def show_all(
    ctx: typer.Context,
    project: Annotated[str | None, typer.Option("--project", help="Only secrets of this project.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Include secrets of other users, for administrators.")
    ] = False,
) -> None:
    """List your secrets and those of your projects, without their values."""
    say = session(ctx)
    found = list(say.client.secrets.list(project=project, everything=everything))
    say.printer.items(SECRETS, found)
    if not found:
        say.say(SECRETS.empty)


def get(ctx: typer.Context, name: _NAME, project: _PROJECT = None, user: _USER = None) -> None:
    """Show what is known of a secret: its owner, version, size and key, not its value."""
    say = session(ctx)
    found = say.client.secrets.get(name, project=project, user=user)
    say.printer.one(SECRETS, found, details(found, say.printer.now_s))


def rotate(ctx: typer.Context, name: _NAME, file: _FILE = None, project: _PROJECT = None) -> None:
    """Give a secret a new value, read from stdin or a file.

    Attempts that start from now on get the new value; running attempts keep the old one.
    """
    say = session(ctx)
    value = _value(file)
    with by_option(value="--file"):
        made = say.client.secrets.rotate(name, value, project=project)
    say.done(f"Secret {name} has a new value, version {made.version}.", made, name)


def delete(
    ctx: typer.Context,
    name: _NAME,
    project: _PROJECT = None,
    user: _USER = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Delete a secret. Jobs that use it and have not started fail; running attempts keep the value."""
    say = session(ctx)
    if not dry_run:
        say.confirm(f"Secret {name} will be deleted; jobs that use it and have not started fail.", yes=yes)
    done = say.client.secrets.delete(name, project=project, user=user, dry_run=dry_run)
    say.done(done.text + (UNCHANGED if dry_run else ""), done, name)


def _value(file: Path | None) -> bytes:
    """Raises CommandError."""
    if file is not None:
        try:
            with file.expanduser().open("rb") as opened:
                value = opened.read(BYTES_MAX + 1)
        except OSError as error:
            raise CommandError(
                f"{file}: {error.strerror}.", hint="Check the path.", code=Code.USAGE
            ) from None
    elif sys.stdin.isatty():
        value = str(typer.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)).encode()
    else:
        value = _from_stdin()
    if not value:
        raise CommandError(
            "The value is empty.",
            hint="Pipe it into the command, or name a file with --file.",
            code=Code.USAGE,
        )
    if len(value) > BYTES_MAX:
        raise CommandError(
            f"The value is larger than {BYTES_MAX // 1024} KiB.",
            hint="Store it where the job can download it, and keep the password of that place as a secret.",
            code=Code.USAGE,
        )
    return value


def _from_stdin() -> bytes:
    stream = getattr(sys.stdin, "buffer", None)
    value: bytes = stream.read(BYTES_MAX + 3) if stream is not None else sys.stdin.read().encode()
    return value.removesuffix(b"\n").removesuffix(b"\r") if value.endswith(b"\n") else value
