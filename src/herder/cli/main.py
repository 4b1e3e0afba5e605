"""The command line as a whole: `build_app` puts the commands together, `run` runs one and turns errors into exit codes.

Called by `herder.app`, which adds the commands of other layers (`up`, `server`, `agent`, `demo` …) before `run`.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence

import typer
from typer.main import get_command

from herder.cli.exits import Code, CommandError
from herder.cli.output.errors import show_error
from herder.cli.output.formats import Format
from herder.cli.session import Session
from herder.cli.shape import RootGroup
from herder.client.errors import ClientError
from herder.settings.problems import SettingsError

_ABOUT = "Herder keeps exactly the workers that your work needs, and says why."


def build_app() -> typer.Typer:
    """All commands that speak to a server. Add your own with `app.command()` or `app.add_typer()`."""
    from herder.cli.commands import (
        apply,
        batch,
        config,
        driver,
        events,
        job,
        pack,
        plan,
        pool,
        project,
        status,
        token,
        user,
        whoami,
        why,
        worker,
    )

    app = typer.Typer(
        cls=RootGroup,
        help=f"\b\n  $ herder up\n  $ herder job submit -- echo hello\n  $ herder status\n\n{_ABOUT}",
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_version)
    for module in (apply, events, pack, status, whoami):
        module.add_to(app)
    for name, group in (
        ("batch", batch),
        ("config", config),
        ("driver", driver),
        ("job", job),
        ("plan", plan),
        ("pool", pool),
        ("project", project),
        ("token", token),
        ("user", user),
        ("why", why),
        ("worker", worker),
    ):
        app.add_typer(group.build(), name=name)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from herder import __version__

        typer.echo(f"herder {__version__}")
        raise typer.Exit


def _version(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Holds the option --version."""


def run(app: typer.Typer, argv: Sequence[str] | None = None) -> int:
    """Runs one command line; the answer is the exit code. Nothing but programming faults gets out of here."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    session = Session()
    try:
        code = get_command(app).main(args=arguments, prog_name="herder", standalone_mode=False, obj=session)
        session.out.flush()
        return code if isinstance(code, int) else Code.OK
    except BrokenPipeError:
        return _pipe_closed()
    except KeyboardInterrupt:
        return Code.INTERRUPTED
    except typer.Abort:
        return Code.INTERRUPTED
    except (typer.TyperException, CommandError, ClientError, SettingsError) as error:
        if session.output is None and _wants_json(arguments):
            session.output = Format.JSON
        if session.debug or "--debug" in arguments:
            traceback.print_exc(file=session.err)
        return show_error(session, error)
    finally:
        session.close()


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether data was asked for on a line that could not be parsed to its end."""
    joined = " ".join(arguments)
    return any(form in joined for form in ("-o json", "-ojson", "--output json", "--output=json"))


def _pipe_closed() -> int:
    """The reader of our output has gone (`| head`): that is its right, and the interpreter must not complain at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Code.OK
