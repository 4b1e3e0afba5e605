"""Options that several commands share, and the parsing of their values."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from herder.cli.shell.exit_codes import Code, CommandError
from herder.model.values.phrases import clause
from herder.settings.syntax.durations import parse_duration

#: After the answer of a dry run.
UNCHANGED = " (dry run, nothing was changed)"
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask for confirmation. Required without a terminal.")
]
Message = Annotated[
    str, typer.Option("--message", "-m", metavar="TEXT", help="Reason, recorded in the event.")
]
Search = Annotated[
    list[str] | None, typer.Argument(metavar="SEARCH", help="Terms, such as state:failed or name~report.")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Keep showing changes until Ctrl-C.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Show at most this many.")]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="Stop waiting after this time: 90s, 10m, 2h.")
]
Files = Annotated[
    list[str],
    typer.Option(
        "--file",
        "-f",
        "--config",
        "-c",
        metavar="PATH",
        help="File or folder of settings; - is stdin. Repeatable.",
    ),
]


def seconds(text: str | None, option: str = "--timeout") -> float | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise usage(f"{option}: {clause(error)}.") from None


@contextmanager
def by_option(**options: str) -> Iterator[None]:
    """What the server refuses, told with the name of the option: `by_option(ttl_s="--ttl")`."""
    from herder.client.errors import InvalidError

    try:
        yield
    except InvalidError as error:
        error.field = options.get(error.field, error.field)
        raise


def pair(text: str, option: str) -> tuple[str, str]:
    """`K=V`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise usage(
            f"{option}: {text!r} is not of the form NAME=VALUE.",
            hint=f"Write for example {option} COLOUR=blue.",
        )
    return key, value


def usage(message: str, hint: str = "Add --help to see the options of this command.") -> CommandError:
    return CommandError(message, hint=hint, code=Code.USAGE)
