"""`herder token`: make tokens."""

import os
from pathlib import Path
from typing import Annotated

import typer

from herder.cli.exits import CommandError
from herder.cli.output.formats import Format
from herder.cli.session import session
from herder.cli.shape import command, noun
from herder.settings.sections import Role


def build() -> typer.Typer:
    app = noun(
        "Tokens: how people and programs prove who they are.",
        example="herder token create alice --save alice.token",
    )
    command(app, "create", example="herder token create alice --save alice.token")(create)
    return app


def create(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose token.")],
    role: Annotated[Role | None, typer.Option("--role", help="A lower role than the user's own.")] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write it to a new file that only you can read."),
    ] = None,
) -> None:
    """Make a token for a user.

    It is shown this once, on stdout and alone; the server keeps only a hash. --save writes it to a file instead.
    """
    from herder.wire.resources import TokenCreate

    say = session(ctx)
    if save is not None and save.exists():
        raise CommandError(f"{save} exists already", hint="Name another file, or remove it first.")
    made = say.client.create_token(TokenCreate(user=user, role=role.value if role else None, note=note))
    if save is not None:
        _write(save, made.token)
        say.say(
            f"Token of {made.user} ({made.role}) is in {save}. Use it with: export HERDER_TOKEN_FILE={save}"
        )
    elif say.format in (Format.JSON, Format.YAML):
        say.printer.data(made)
    else:
        say.printer.line(made.token)
        say.say(
            f"Token of {made.user} ({made.role}). It is shown only now; keep it in a file that only you can read."
        )


def _write(path: Path, token: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(token + "\n")
