"""Shows errors on stderr: for people one line with the problem and one with the remedy, for programs a JSON object."""

import json
from typing import TYPE_CHECKING, Any

from herder.cli.output.fitting import sentences
from herder.cli.output.formats import Format
from herder.cli.output.humanize import visible
from herder.cli.shell.exit_codes import Code, CommandError, code_of
from herder.client.errors import ClientError
from herder.model.values.phrases import counted, sentence
from herder.settings.syntax.problems import SettingsError

if TYPE_CHECKING:
    from herder.cli.shell.session import Session


#: What the library that reads options says, and how it is said here.
_WORDINGS = (
    ("Input should be a valid integer, unable to parse string as an integer", "it must be a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "it must be a number"),
    ("Input should be greater than or equal to", "it must be at least"),
    ("Input should be less than or equal to", "it must be at most"),
    ("Input should be ", "it must be "),
)


def show_error(session: "Session", error: Exception) -> int:
    """Prints the error; the answer is its exit code."""
    code, word, message, hint = _parts(_as_typed(session, error))
    message, hint = visible(message), visible(hint)
    if not message:
        return code
    if session.format is Format.JSON:
        row: dict[str, Any] = {"code": word, "message": message, "hint": hint}
        if isinstance(error, SettingsError):
            row["problems"] = [_problem(problem) for problem in error.problems]
        session.err.write(json.dumps({"error": row}, ensure_ascii=False) + "\n")
        return code
    told = (
        [visible(str(problem)) for problem in error.problems]
        if isinstance(error, SettingsError)
        else [message]
    )
    red, plain = ("\x1b[1;31m", "\x1b[0m") if session.colored(session.err) else ("", "")
    for text in told:
        line = sentences(f"error: {text}", session.err)
        session.err.write(line.replace("error:", f"{red}error:{plain}", 1) + "\n")
    if hint:
        session.err.write(sentences(hint, session.err) + "\n")
    session.err.flush()
    return code


def _as_typed(session: "Session", error: Exception) -> Exception:
    """A field that the server names, by the option of the command that runs."""
    if isinstance(error, ClientError) and error.field and not error.field.startswith("-"):
        from herder.cli.input.option_names import as_typed

        error.field = as_typed(error.field, session.command)
    return error


def code_for(error: Exception) -> int:
    return _parts(error)[0]


def _parts(error: Exception) -> tuple[int, str, str, str]:
    """Exit code, word for programs, what happened, what to do."""
    if isinstance(error, CommandError):
        return error.code, error.word, error.message, error.hint
    if isinstance(error, ClientError):
        message = f"{error.field}: {error.message}" if error.field else error.message
        return code_of(error), error.code, message, error.hint
    if isinstance(error, SettingsError):
        count = len(error.problems)
        what = counted(count, "problem")
        return Code.USAGE, "bad_settings", f"The settings have {what}.", "Nothing was changed."
    return _usage(error)


def _usage(error: Exception) -> tuple[int, str, str, str]:
    """What Typer found wrong on the command line."""
    code = int(getattr(error, "exit_code", Code.USAGE))
    context = getattr(error, "ctx", None)
    describe = getattr(error, "format_message", None)
    message = str(describe() if callable(describe) else error).replace(": Value error, ", ": ")
    for theirs, ours in _WORDINGS:
        message = message.replace(theirs, ours)
    path = getattr(context, "command_path", "herder")
    return (
        code,
        "usage",
        sentence(message),
        f"`{path} --help` shows how it is used.",
    )


def _problem(problem: Any) -> dict[str, Any]:
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "key": problem.key,
        "severity": problem.severity.value,
        "message": problem.message,
        "remedy": problem.remedy,
    }
