"""`--watch`: redraws a list on a terminal; in a pipe, prints one line for each change. It goes on while the server restarts, and says so."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from herder.cli.output.formats import Format
from herder.cli.output.humanize import visible
from herder.cli.output.printer import Printer, whole
from herder.cli.output.rows import View
from herder.client.http import clock

if TYPE_CHECKING:
    from herder.cli.shell.session import Session

T = TypeVar("T")
EVERY_S = 1.0
"""How often the server is asked; a list is one cheap read for it."""


def watch(
    session: "Session", view: View, fetch: Callable[[], Sequence[Any]], *, rounds: int | None = None
) -> None:
    """Shows the list again and again until Ctrl-C (`rounds` times in tests)."""
    redraw = session.printer.pretty and session.format in (Format.TABLE, Format.WIDE) and session.out.isatty()
    snapshots = islice(_snapshots(session, fetch), rounds)
    if redraw:
        _redraw(session, view, snapshots)
    else:
        _changes(session, view, snapshots)


def watch_whole(
    session: "Session",
    fetch: Callable[[], T],
    show: Callable[[Printer, T], None],
    same_as: Callable[[T], object],
    *,
    rounds: int | None = None,
) -> None:
    """One thing that is shown as a whole: redrawn on a terminal, elsewhere printed anew whenever it says something else."""
    printer, seen = session.printer, None
    if printer.pretty and session.format is Format.TABLE and session.out.isatty():
        _redraw_text(
            session, (_as_text(session, show, each) for each in islice(_snapshots(session, fetch), rounds))
        )
        return
    for each in islice(_snapshots(session, fetch), rounds):
        said = same_as(each)
        if said == seen:
            continue
        printer.now_s = clock.now_s()
        if session.format is not Format.TABLE:
            printer.record(each)
        else:
            if seen is not None:
                printer.line("")
            show(printer, each)
        seen = said


def _as_text(session: "Session", show: Callable[[Printer, T], None], thing: T) -> str:
    text = io.StringIO()
    show(replace(session.printer, out=text, now_s=clock.now_s()), thing)
    return text.getvalue()


def _snapshots(session: "Session", fetch: Callable[[], T]) -> Iterator[T]:
    yield fetch()
    with session.patient():
        while True:
            clock.sleep_s(EVERY_S)
            yield fetch()


def _redraw(session: "Session", view: View, snapshots: Iterator[Sequence[Any]]) -> None:
    def texts() -> Iterator[str]:
        for items in snapshots:
            session.printer.now_s = clock.now_s()
            yield "\n".join(session.printer.lines(view, items)) if items else view.empty

    _redraw_text(session, texts())


def _redraw_text(session: "Session", texts: Iterator[str]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=session.out, force_terminal=True, highlight=False)
    with Live(console=console, auto_refresh=False) as live:
        session.hear(lambda text: live.console.print(Text(visible(text))))
        for text in texts:
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
                printer.line(f"{name}   no longer listed")
        seen = {view.name(item): item for item in items}
