"""`herder mcp`: the tools of Herder for models, over standard input and output or over HTTP."""

from collections.abc import Callable
from typing import Annotated

import typer

from herder import __version__
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import CommandError
from herder.cli.shell.session import session
from herder.client import HerderClient

Serve = Callable[[Callable[[], HerderClient], str], None]
ServeHttp = Callable[[Callable[[str], HerderClient], str, int, Callable[[str], None]], None]


def add_to(app: typer.Typer, serve: Serve, serve_http: ServeHttp) -> None:
    def mcp(
        ctx: typer.Context,
        port: Annotated[
            int | None,
            typer.Option(
                min=0,
                max=65535,
                help="Serve over streamable HTTP at this port of 127.0.0.1 (0: a free one) in place of stdin and stdout.",
            ),
        ] = None,
    ) -> None:
        """Serve tools for models by the Model Context Protocol, over stdin and stdout or HTTP.

        Without --port, the program that uses models starts this command and ends it, and every call is made with your token. With
        --port, every call is made with the token that its request carries.
        """
        at = session(ctx)
        target = at.target
        try:
            if port is None:
                serve(lambda: at.client_with(target, target.token), __version__)
            else:
                serve_http(lambda token: at.client_with(target, token), __version__, port, at.say)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "anyio"):
                raise
            raise CommandError(
                f"The package {error.name} is not installed.",
                hint="Install it with: pip install 'herder[mcp]'.",
            ) from None
        except OSError as error:
            raise CommandError(
                f"Port {port} of 127.0.0.1 cannot be used: {error.strerror or error}.",
                hint="Choose another one; --port 0 takes a free one.",
            ) from None

    command(app, "mcp", example="herder mcp\nherder mcp --profile prod\nherder mcp --port 8765")(mcp)
