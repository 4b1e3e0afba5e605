"""`herder mcp`: the tools of Herder for models, over standard input and output."""

from collections.abc import Callable

import typer

from herder import __version__
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import CommandError
from herder.cli.shell.session import session
from herder.client import HerderClient

Serve = Callable[[HerderClient, str], None]


def add_to(app: typer.Typer, serve: Serve) -> None:
    def mcp(ctx: typer.Context) -> None:
        """Serve tools for models over stdin and stdout, by the Model Context Protocol.

        A program that uses models starts this command and ends it. Every call is made with your token.
        """
        client = session(ctx).client
        try:
            serve(client, __version__)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "anyio"):
                raise
            raise CommandError(
                f"The package {error.name} is not installed.",
                hint="Install it with: pip install 'herder[mcp]'.",
            ) from None

    command(app, "mcp", example="herder mcp\nherder mcp --profile prod")(mcp)
