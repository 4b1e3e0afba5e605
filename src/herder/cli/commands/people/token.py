"""`herder token`: make, list and revoke tokens."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.exit_codes import CommandError
from herder.cli.shell.options import Yes, seconds
from herder.cli.shell.session import session
from herder.cli.views.tables import TOKENS
from herder.settings.sections.server import Role


def build() -> typer.Typer:
    app = noun(
        "Tokens: how people and programs prove who they are.",
        example="herder token create --save my.token",
    )
    example = "herder token create --note laptop --expires 30d --save my.token\nherder token create alice --save alice.token"
    command(app, "create", example=example)(create)
    command(app, "list", example="herder token list\nherder token list --user alice --all")(show_all)
    command(app, "revoke", example="herder token revoke 3f9a1c02be47 --yes")(revoke)
    return app


def create(
    ctx: typer.Context,
    user: Annotated[
        str | None, typer.Argument(metavar="[USER]", help="Whose token; your own if not given.")
    ] = None,
    role: Annotated[Role | None, typer.Option("--role", help="A lower role than the user's own.")] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for; shown in lists.")] = "",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Ends after: 12h, 30d.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write it to a new file that only you can read."),
    ] = None,
) -> None:
    """Make a token, of yourself or (as an administrator) of another user.

    It is shown this once, on stdout and alone; the server keeps only a hash. --save writes it to a file instead.
    It may never do more than its user, nor more than the token with which it is made.
    """
    from herder.wire.people import TokenCreate

    say = session(ctx)
    if save is not None and save.exists():
        raise CommandError(f"{save} exists already.", hint="Name another file, or remove it first.")
    made = say.client.create_token(
        TokenCreate(
            user=user,
            role=role.value if role else None,
            note=note,
            expires_in_s=seconds(expires, "--expires"),
        )
    )
    ends = f", ends at {made.expires_at}" if made.expires_at else ""
    if save is not None:
        _write(save, made.token)
        say.say(
            f"Token {made.id} of {made.user} ({made.role}{ends}) is in {save}. "
            f"Use it with: export HERDER_TOKEN_FILE={shlex.quote(str(save))}"
        )
    elif say.format in (Format.JSON, Format.YAML):
        say.printer.data(made)
    elif say.format is Format.CSV:
        say.printer.fields(made)
    else:
        say.printer.line(made.token)
        say.say(
            f"Token {made.id} of {made.user} ({made.role}{ends}). It is shown only now; keep it in a file that only you can read."
        )


def show_all(
    ctx: typer.Context,
    user: Annotated[str | None, typer.Option("--user", help="Only of this user.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were revoked or are over, for 30 days.")
    ] = False,
) -> None:
    """List your tokens; administrators see everybody's."""
    say = session(ctx)
    found = list(say.client.tokens(user=user, ended=everything))
    say.printer.items(TOKENS, found)
    if not found:
        say.say(TOKENS.empty)


def revoke(
    ctx: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID", help="Which; herder token list shows them.")],
    yes: Yes = False,
) -> None:
    """Revoke a token. It stops working at once, and dashboards that were opened with it close."""
    say = session(ctx)
    say.confirm(f"Token {token} ends, and whoever uses it is refused.", yes=yes)
    done = say.client.revoke_token(token)
    say.done(done.text, done, token)


def _write(path: Path, token: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(token + "\n")
