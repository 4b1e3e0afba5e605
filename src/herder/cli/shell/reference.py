"""The command line's reference as a document, made from the commands themselves. `make docs` writes it, `make check` compares."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

#: Columns of the help texts in the document.
WIDTH = 100


def reference(app: typer.Typer) -> str:
    """Markdown: every command's help, in the order of `herder --help`."""
    root: Any = get_command(app)
    parts = [
        "# The command line",
        "Generated from the help of the commands by `make docs`; do not edit.",
        *(f"## `{name}`\n\n```text\n{text}\n```" for name, text in _helps(root, "herder")),
    ]
    return "\n\n".join(parts) + "\n"


def _helps(command: Any, name: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    context.terminal_width = context.max_content_width = WIDTH
    yield context.command_path, command.get_help(context).rstrip()
    for child, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from _helps(each, child, context)
