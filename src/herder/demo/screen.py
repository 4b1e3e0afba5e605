"""The display of the demo while it runs: redrawn on a terminal, otherwise a line every two seconds.

Used by `command.py`. Draws what it is given and asks nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from herder.cli.output.humanize import style_of, usd
from herder.client.http import clock
from herder.demo.work import Picture
from herder.wire.api.resources import EventView, PoolView

LINE_EVERY_S = 2.0
WIDTH_MAX = 110
_ORDER = ("permanent", "burst", "highmem")
_JOB_WORDS = (
    ("blocked", "waiting for parents"),
    ("ready", "ready"),
    ("running", "running"),
    ("succeeded", "succeeded"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
    ("skipped", "skipped"),
)
_ENDED = ("succeeded", "failed", "cancelled", "skipped")


class Screen(Protocol):
    def show(self, picture: Picture) -> None: ...

    def say(self, text: str) -> None:
        """Before there is a picture: what is being done."""


@contextmanager
def open_screen(console: Console, *, quiet: bool) -> Iterator[Screen]:
    if quiet:
        yield _Silent()
    elif console.is_terminal and not console.is_dumb_terminal:
        # What is drawn here goes when the end is told: the summary says it all again, in full.
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield _Drawn(live, console)
    else:
        yield _Lines(console)


class _Silent:
    def show(self, picture: Picture) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0
        self._phase = ""

    def show(self, picture: Picture) -> None:
        if picture.phase != self._phase:
            self._phase = picture.phase
            self.say(f"{picture.elapsed_s:4.0f} s  {picture.phase}")
        if clock.monotonic_s() >= self._next_s:
            self._next_s = clock.monotonic_s() + LINE_EVERY_S
            self.say(_one_line(picture))

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class _Drawn:
    def __init__(self, live: Live, console: Console) -> None:
        self._live = live
        self._console = console

    def show(self, picture: Picture) -> None:
        width = min(self._console.width, WIDTH_MAX)
        self._live.update(draw(picture, width), refresh=True)

    def say(self, text: str) -> None:
        self._live.update(Text(text, style="dim"), refresh=True)


def _one_line(picture: Picture) -> str:
    pools = ", ".join(
        f"{pool.name} {pool.actual}" + (f" ({_pool_words(pool)})" if pool.actual else "")
        for pool in _pools(picture)
    )
    jobs = f"{_ended(picture)} of {picture.jobs_total} jobs ended"
    running = picture.status.jobs.get("running", 0)
    return f"{picture.elapsed_s:4.0f} s  {jobs}, {running} running; {pools}; {usd(picture.status.spend_usd)}"


def draw(picture: Picture, width: int) -> RenderableType:
    """The picture for a terminal of this width, at most WIDTH_MAX."""
    whole = Table.grid(padding=(0, 2, 0, 0))
    whole.add_column(style="bold", width=8)
    whole.add_column(width=width - 12)
    rows: list[tuple[str, RenderableType]] = [
        ("Jobs", _jobs_bar(picture, width - 12)),
        ("", _jobs_words(picture)),
        ("", ""),
        ("Workers", _workers(picture)),
        ("", ""),
        ("Spend", _spend(picture)),
        ("", ""),
        ("Latest", _events(picture, width - 12)),
    ]
    for label, content in rows:
        whole.add_row(label, content)
    head = Text.assemble(
        ("Herder demo", "bold"),
        (f"   {picture.elapsed_s:.0f} s   ", ""),
        (picture.phase, "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group("", head, "", whole, "")


def _jobs_bar(picture: Picture, width: int) -> RenderableType:
    done = _ended(picture)
    text = f"{done} of {picture.jobs_total}"
    bar = Table.grid(padding=(0, 2, 0, 0))
    failed = picture.status.jobs.get("failed", 0)
    style = "red" if failed else "green"
    bar.add_row(
        ProgressBar(
            total=picture.jobs_total,
            completed=done,
            width=max(10, min(60, width - len(text) - 4)),
            complete_style=style,
            finished_style=style,
        ),
        text,
    )
    return bar


def _jobs_words(picture: Picture) -> Text:
    found = Text()
    for state, words in _JOB_WORDS:
        count = picture.status.jobs.get(state, 0)
        if count or state in ("ready", "running", "succeeded"):
            found.append(" · " if found else "", style="dim")
            found.append(f"{count} {words}", style=style_of(state) if count else "dim")
    return found


def _workers(picture: Picture) -> RenderableType:
    table = Table.grid(padding=(0, 3, 0, 0))
    for pool in _pools(picture):
        table.add_row(
            pool.name,
            _dots(pool),
            f"{pool.actual} of {pool.max_workers}",
            Text(_pool_words(pool), style="dim"),
        )
    return table


def _pools(picture: Picture) -> list[PoolView]:
    return sorted(
        picture.status.pools, key=lambda pool: _ORDER.index(pool.name) if pool.name in _ORDER else 9
    )


def _dots(pool: PoolView) -> Text:
    """One for each worker the pool may have; the words beside it say the same."""
    other = max(0, pool.actual - pool.ready - pool.in_flight - pool.draining)
    free = max(0, pool.max_workers - pool.actual)
    return Text.assemble(
        ("●" * pool.ready, "green"),
        ("●" * other, "red"),
        ("◐" * pool.in_flight, "cyan"),
        ("○" * pool.draining, "yellow"),
        ("·" * free, "dim"),
    )


def _pool_words(pool: PoolView) -> str:
    other = pool.actual - pool.ready - pool.in_flight - pool.draining
    counts = (
        (pool.ready, "ready"),
        (pool.in_flight, "starting"),
        (pool.draining, "draining"),
        (other, "unhealthy"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count > 0)


def _spend(picture: Picture) -> Text:
    status = picture.status
    users = ", ".join(f"{user} {usd(cost)}" for user, cost in status.spend_by_user.items())
    return Text.assemble(
        usd(status.spend_usd), (f"   now {usd(status.price_per_hour_usd)}/h   {users}".rstrip(), "dim")
    )


def _events(picture: Picture, width: int) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim")
    for event in picture.latest or (None,):
        table.add_row(*_event_cells(event))
    return table


def _event_cells(event: EventView | None) -> tuple[str, str, str]:
    if event is None:
        return ("no events yet", "", "")
    return event.at[11:19], event.object.partition("/")[2], event.text


def _ended(picture: Picture) -> int:
    return sum(picture.status.jobs.get(state, 0) for state in _ENDED)
