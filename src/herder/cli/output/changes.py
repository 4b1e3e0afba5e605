"""Lists that go on: `--watch`. On a terminal the table is drawn again, in a pipe each change is one line."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from herder.cli.output.formats import Format
from herder.cli.output.printer import whole
from herder.cli.output.view import View
from herder.client import clock

if TYPE_CHECKING:
    from herder.cli.session import Session

EVERY_S = 1.0
"""How often the server is asked; a list is one cheap read for it."""


def watch(
    session: "Session", view: View, fetch: Callable[[], Sequence[Any]], *, rounds: int | None = None
) -> None:
    """Shows the list again and again until Ctrl-C (`rounds` times in tests)."""
    redraw = session.printer.pretty and session.format in (Format.TABLE, Format.WIDE) and session.out.isatty()
    snapshots = islice(_snapshots(fetch), rounds)
    if redraw:
        _redraw(session, view, snapshots)
    else:
        _changes(session, view, snapshots)


def _snapshots(fetch: Callable[[], Sequence[Any]]) -> Iterator[Sequence[Any]]:
    while True:
        yield fetch()
        clock.sleep_s(EVERY_S)


def _redraw(session: "Session", view: View, snapshots: Iterator[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=session.out, force_terminal=True, highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        for items in snapshots:
            session.printer.now_s = clock.now_s()
            text = "\n".join(session.printer.lines(view, items)) if items else view.empty
            live.update(Text.from_ansi(text, no_wrap=True, overflow="ellipsis"), refresh=True)


def _changes(session: "Session", view: View, snapshots: Iterator[Sequence[Any]]) -> None:
    """One line (with -o json one object) for each thing that is new, changed or gone."""
    printer = session.printer
    seen: dict[str, Any] = {}
    headers = printer.headers
    printer.steady = True
    for items in snapshots:
        printer.now_s = clock.now_s()
        changed = [item for item in items if seen.get(view.name(item)) != item]
        gone = seen.keys() - {view.name(item) for item in items}
        if session.format in (Format.JSON, Format.YAML):
            for item in changed:
                printer.record(whole(view, item))
            for name in sorted(gone):
                printer.record({"gone": name})
        elif changed:
            printer.headers = headers
            printer.items(view, changed)
            headers = False
        if gone and session.format in (Format.TABLE, Format.WIDE):
            for name in sorted(gone):
                printer.line(f"{name}   gone")
        seen = {view.name(item): item for item in items}
