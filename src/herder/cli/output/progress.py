"""Shows the progress of a long command on stderr: a bar on a terminal, otherwise a line every few seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from herder.client.http import clock

if TYPE_CHECKING:
    from herder.cli.shell.session import Session

QUIET_S = 2.0
"""What is done sooner needs no progress."""


@contextmanager
def progress(session: "Session", what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with how many are done."""
    if session.quiet:
        yield lambda done: None
    elif session.err.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(file=session.err), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield _lines(session, what, total)


def _lines(session: "Session", what: str, total: int) -> Callable[[int], None]:
    next_s = clock.monotonic_s() + QUIET_S

    def advance(done: int) -> None:
        nonlocal next_s
        if clock.monotonic_s() >= next_s:
            next_s = clock.monotonic_s() + QUIET_S
            session.say(f"{what}: {done:,} of {total:,}")

    return advance
