"""`herder token`: create, list and revoke tokens."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from herder.cli.input.selection import refuse_unknown
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.exit_codes import CommandError
from herder.cli.shell.options import Yes, by_option, seconds
from herder.cli.shell.session import session
from herder.cli.views.tables import TOKENS
from herder.model.permissions import RoleName


def build() -> typer.Typer:
    app = noun(
        "Tokens of users and programs.",
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
        str | None, typer.Argument(metavar="USER", help="Owner of the token; default: you.")
    ] = None,
    role: Annotated[
        RoleName | None, typer.Option("--role", help="Role of the token; at most the user's own.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Purpose, shown in lists.")] = "",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="How long the token is valid: 12h, 30d.")
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write the token to a new file that only you can read."),
    ] = None,
) -> None:
    """Create a token for yourself or, as an administrator, for another user.

    The token is printed once, alone on stdout; the server keeps only a hash. With --save it is written to a file instead.
    A token has at most the rights of its user, and of the token that creates it.
    """
    from herder.wire.api.people import TokenCreate

    say = session(ctx)
    if save is not None and save.exists():
        raise CommandError(f"{save} exists already.", hint="Name another file, or remove it first.")
    request = TokenCreate(user=user, role=role, note=note, expires_in_s=seconds(expires, "--expires"))
    with by_option(role="--role", note="--note", expires_in_s="--expires"):
        made = say.client.create_token(request)
    ends = f", expires at {made.expires_at}" if made.expires_at else ""
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
            f"Token {made.id} of {made.user} ({made.role}{ends}). It is shown only once; store it in a file that only you can read."
        )


def show_all(
    ctx: typer.Context,
    user: Annotated[str | None, typer.Option("--user", help="Only tokens of this user.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Include tokens that expired or were revoked in the last 30 days.")
    ] = False,
) -> None:
    """List your tokens; administrators see all tokens."""
    say = session(ctx)
    found = list(say.client.tokens(user=user, ended=everything))
    if not found:
        refuse_unknown(say, user=user)
    say.printer.items(TOKENS, found)
    if not found:
        say.say(TOKENS.empty)


def revoke(
    ctx: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID", help="ID of the token; see herder token list.")],
    yes: Yes = False,
) -> None:
    """Revoke a token at once, with the dashboard sessions that were opened with it."""
    say = session(ctx)
    say.confirm(f"Token {token} will be revoked; calls with it are refused from then on.", yes=yes)
    done = say.client.revoke_token(token)
    say.done(done.text, done, token)


def _write(path: Path, token: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(token + "\n")
