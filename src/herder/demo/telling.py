"""What the story prints: each scene with its time, and what was seen in it. Used by `scenes` and `story`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from herder.client.http import clock

WIDTH_MAX = 118
_TIME_WIDTH = 7


@dataclass(slots=True, kw_only=True)
class Teller:
    console: Console
    quiet: bool
    began_s: float = field(default_factory=clock.monotonic_s)
    began_at_s: float = field(default_factory=clock.now_s)
    scene: str = ""
    number: int = 0
    took: list[tuple[str, float]] = field(default_factory=list)
    """The scenes that have happened."""

    @property
    def elapsed_s(self) -> float:
        return clock.monotonic_s() - self.began_s

    @contextmanager
    def scene_of(self, title: str) -> Iterator[None]:
        self.number, self.scene = self.number + 1, title
        began_s = clock.monotonic_s()
        self._print(Text(f"\n{self.number}. {title}", style="bold"))
        yield
        self.took.append((title, clock.monotonic_s() - began_s))

    def fact(self, text: str, at: str = "") -> None:
        """With its time: now, or `at` in the form of the API."""
        at_s = self.elapsed_s if not at else datetime.fromisoformat(at).timestamp() - self.began_at_s
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True, width=_TIME_WIDTH, justify="right")
        grid.add_column(overflow="fold")
        grid.add_row(f"{max(0.0, at_s):.1f} s", Text(text))
        self._print(grid)

    def line(self, text: str = "") -> None:
        self._print(Text(text))

    def _print(self, what: Text | Table) -> None:
        if not self.quiet:
            width = min(self.console.width, WIDTH_MAX)
            self.console.print(what, highlight=False, markup=False, width=width)
