"""The base of every command: global options anywhere on the line, help that begins with an example.

`noun` and `command` are Typer with these habits; `herder up` and others outside may use them too.
"""

from collections.abc import Callable, Mapping, Set
from copy import copy
from functools import cache
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from herder.cli.output.formats import ColorWhen, Format
from herder.cli.shell.exit_codes import MEANING
from herder.cli.shell.first_level import Entry, FirstLevel
from herder.cli.shell.session import Session

F = TypeVar("F", bound=Callable[..., Any])

#: Sections of `herder --help`; commands that are in none stand under "Operate".
SECTIONS: dict[str, tuple[str, ...]] = {
    "Inspect": ("status", "plan", "why", "events", "pack", "cost", "rate", "usage", "alert", "observability"),
    "Jobs": ("batch", "job", "pipeline", "schedule", "callback"),
    "Fleet": ("pool", "budget", "worker", "cluster", "driver", "offer", "bootstrap", "apply", "config"),
    "Access": ("whoami", "user", "project", "token", "secret"),
}
_OTHER = "Operate"


def _global_options(
    *,
    output: Annotated[
        Format | None,
        typer.Option(
            "--output", "-o", metavar="FORMAT", help="Output format: table, wide, json, yaml, name or csv."
        ),
    ] = None,
    no_headers: Annotated[
        bool, typer.Option("--no-headers", help="Leave out the header line of tables and CSV.")
    ] = False,
    server: Annotated[
        str | None, typer.Option("--server", metavar="URL", help="Address of the server.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="Profile of config.toml.")
    ] = None,
    token_file: Annotated[
        str | None, typer.Option("--token-file", metavar="FILE", help="File that contains the token.")
    ] = None,
    color: Annotated[ColorWhen | None, typer.Option("--color", help="When to colour the output.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing on stderr but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Never called: typer makes the options from the signature."""


@cache
def _made_options() -> tuple[Any, ...]:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(_global_options)
    return tuple(get_command(app).params)


def _options(*, hidden: bool) -> list[Any]:
    """Copies: each command shows or hides its own."""
    options = [copy(option) for option in _made_options()]
    for option in options:
        option.hidden = hidden and option.name != "output"
    return options


def _name_value(param: Any) -> None:
    """What stands for the value in the help, in place of the type in Python's words."""
    if param.param_type_name == "argument":
        param.display_type_rich = lambda ctx: None  # its help says what it is
    kind = getattr(param, "type_descriptor", None)
    if (
        param.param_type_name != "option"
        or param.metavar is not None
        or param.is_flag
        or kind is None
        or kind.is_choice
    ):
        return
    written = str(param.bare_type())
    name = max(param.opts, key=len).lstrip("-").upper()
    param.metavar = "PATH" if "Path" in written else name if "str" in written else "N"


def _take(ctx: Any, own: Set[str | None] = frozenset()) -> None:
    """Moves the global options from the command's parameters to the session. `own`: options of the command that are called like one."""
    found = ctx.find_root().obj
    for name in _GLOBAL_NAMES:
        if name in own:
            continue
        value = ctx.params.pop(name, None)
        if isinstance(found, Session) and value not in (None, False):
            setattr(found, name, value)


_GLOBAL_NAMES = ("output", "no_headers", "server", "profile", "token_file", "color", "quiet", "debug")


class HerderCommand(TyperCommand):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            _name_value(param)
        own = {name for param in self.params for name in param.opts}
        self._own = frozenset(param.name for param in self.params)
        self.params.extend(option for option in _options(hidden=True) if not own & set(option.opts))

    def invoke(self, ctx: Any) -> Any:
        _take(ctx, self._own)
        return super().invoke(ctx)


class PassOnCommand(HerderCommand):
    """Everything from the first plain word on belongs to the command that is passed on."""

    allow_interspersed_args = False


class HerderGroup(TyperGroup):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(_options(hidden=True))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        _take(ctx)
        return super().invoke(ctx)


class RootGroup(HerderGroup):
    """Names and summaries are known without the commands. Subclasses say of which (`root_of`)."""

    entries: Mapping[str, Entry] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands = self._first_level = FirstLevel(self.entries, self.commands)
        self._outlined = False
        for param in self.params:
            param.hidden = False  # type: ignore[attr-defined]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        placed = {name for names in SECTIONS.values() for name in names}
        rest = tuple(name for name in self.commands if name not in placed)
        listed, outline = {*self.commands}, self._first_level.outline
        for title, names in ({**SECTIONS, _OTHER: rest}).items():
            found = [(name, outline(name)) for name in names if name in listed]
            rows = [(name, each.get_short_help_str(80)) for name, each in found if not each.hidden]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        self._outlined = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._outlined = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return self._first_level.outline(cmd_name) if self._outlined else self.commands.get(cmd_name)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), text) for code, text in MEANING.items()])


def root_of(entries: Mapping[str, Entry]) -> type[RootGroup]:
    return type("Root", (RootGroup,), {"entries": entries})


def noun(text: str, *, example: str, alone: bool = False) -> typer.Typer:
    """A group of commands. `alone`: it does something without a verb too."""
    return typer.Typer(
        cls=HerderGroup,
        help=_help(example, text),
        short_help=text,
        rich_markup_mode=None,
        add_completion=False,
        no_args_is_help=not alone,
        invoke_without_command=alone,
    )


def command(
    app: typer.Typer, name: str, *, example: str, cls: type[TyperCommand] = HerderCommand
) -> Callable[[F], F]:
    """Registers a command; its docstring is the help below the examples (one per line)."""

    def register(function: F) -> F:
        text = (function.__doc__ or "").strip()
        short = text.partition("\n")[0]
        return app.command(name, cls=cls, help=_help(example, text), short_help=short)(function)

    return register


def _help(example: str, text: str) -> str:
    lines = "\n".join(f"  $ {line.strip()}" for line in example.strip().splitlines())
    paragraphs = "\n\n".join(
        "\n".join(line.strip() for line in part.splitlines()) for part in text.split("\n\n")
    )
    return f"\b\n{lines}\n\n{paragraphs}"
