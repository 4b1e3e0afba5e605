"""The command line as a whole: `build_app` puts the commands together, `run` runs one and turns errors into exit codes.

Called by `herder.app`, which adds the commands of other layers (`up`, `server`, `agent`, `demo` …).
"""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import typer
from typer.main import get_command

from herder.cli.output.errors import code_for, show_error
from herder.cli.output.formats import Format
from herder.cli.shell import streams
from herder.cli.shell.commands import root_of
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.first_level import Entry, client_entries
from herder.cli.shell.session import Session
from herder.client.errors import ClientError
from herder.model.values.phrases import clause
from herder.settings.syntax.problems import SettingsError

if TYPE_CHECKING:
    from herder.cli.input.workflows import ReadTasks
    from herder.settings import BootstrapFaults, DriverFaults

#: Errors that say themselves what to do.
EXPECTED = (typer.TyperException, CommandError, ClientError, SettingsError)
_ABOUT = "Herder is a control plane for elastic pools of workers."


def build_app(
    driver_faults: "DriverFaults | None" = None,
    bootstrap_faults: "BootstrapFaults | None" = None,
    jobs_manifests: "Callable[[str], str] | None" = None,
    workflow_tasks: "ReadTasks | None" = None,
    more: Mapping[str, Entry] | None = None,
) -> typer.Typer:
    """All commands that speak to a server, and `more`, which take the place of those of their names. `driver_faults`,
    `bootstrap_faults`: what is wrong with the kind and settings of one, from whoever knows them; `jobs_manifests`: what the driver
    kubernetes-jobs needs in a namespace; `workflow_tasks`: the reader of recorded workflows."""
    faults = (driver_faults, bootstrap_faults)
    given = {"apply": faults, "batch": (workflow_tasks,), "cluster": (jobs_manifests,), "config": faults}
    app = typer.Typer(
        cls=root_of({**client_entries(given), **(more or {})}),
        help=f"\b\n  $ herder up\n  $ herder job submit -- echo hello\n  $ herder status\n\n{_ABOUT}",
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_version)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from herder import __version__

        typer.echo(f"herder {__version__}")
        raise typer.Exit


def _version(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Holds the option --version."""


def run(app: typer.Typer, argv: Sequence[str] | None = None, *, name: str = "herder") -> int:
    """Runs one command line of the program `name`; the answer is the exit code. Nothing gets out of here, whatever the input and the streams are."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    streams.prepare()
    session = Session()
    try:
        return _run(app, arguments, session, name)
    finally:
        session.close()
        streams.detach()


def _run(app: typer.Typer, arguments: list[str], session: Session, name: str) -> int:
    try:
        code = get_command(app).main(args=arguments, prog_name=name, standalone_mode=False, obj=session)
        session.out.flush()
        return code if isinstance(code, int) else Code.OK
    except BrokenPipeError:
        return Code.OK  # the reader of our output has gone (`| head`): that is its right
    except SystemExit as end:  # typer's own answer to a broken pipe, and programs that end themselves
        if isinstance(end.__context__, BrokenPipeError):
            return Code.OK
        return end.code if isinstance(end.code, int) else Code.FAILURE
    except (KeyboardInterrupt, typer.Abort):
        return Code.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - each has an answer: at worst it is called a fault of ours, by name
        return _told(session, arguments, error)


def _told(session: Session, arguments: list[str], error: Exception) -> int:
    if session.output is None and _wants_json(arguments):
        session.output = Format.JSON
    known = error if isinstance(error, EXPECTED) else _unexpected(error, arguments)
    try:
        if session.debug or "--debug" in arguments:
            traceback.print_exception(error, file=session.err)
        return show_error(session, known)
    except OSError:
        return code_for(known)  # stderr is gone, so nothing can be shown


def _unexpected(error: Exception, arguments: Sequence[str]) -> CommandError:
    """What no command has an answer for itself."""
    if isinstance(error, RecursionError):
        return CommandError(
            "The input is nested too deeply.",
            hint="Use fewer levels of nesting.",
            code=Code.USAGE,
            word="too_deep",
        )
    if isinstance(
        error, UnicodeEncodeError
    ):  # bytes that are no text stand in arguments and file names as lone surrogates
        odd = next((each for each in arguments if not each.isascii() and _is_no_text(each)), None)
        what = "A file name" if odd is None else f"The argument '{_shown(odd)}'"
        return CommandError(
            f"{what} contains bytes that are not UTF-8.",
            hint="Write it in UTF-8, and check the character encoding of the terminal.",
            code=Code.USAGE,
            word="not_utf8",
        )
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        if streams.cannot_write(error):
            return CommandError(
                f"The output cannot be written: {reason}.", hint=_LOOK_AT_OUTPUT, word="output"
            )
        what = f"{error.filename}: " if error.filename is not None else ""
        return CommandError(f"{what}{reason}", hint="Check the path and its permissions.", word="system")
    return CommandError(
        f"This is a bug in Herder: {type(error).__name__}: {clause(error)}.",
        hint="Please report it, with the output of the command with --debug.",
        code=Code.FAULT,
    )


_LOOK_AT_OUTPUT = "Check where it is written: the stream may be closed or the disk full. The command itself may have been carried out."


def _is_no_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return True
    return False


def _shown(argument: str) -> str:
    """The beginning, with such bytes as \\xff."""
    return argument[:50].encode(errors="surrogateescape").decode(errors="backslashreplace")


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether data was asked for on a line that could not be parsed to its end."""
    joined = " ".join(arguments)
    return any(form in joined for form in ("-o json", "-ojson", "--output json", "--output=json"))
