"""What the story prints: each scene with its time, and what was seen in it. Used by `scenes` and `story`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from herder.client import clock

WIDTH_MAX = 118
_INDENT = 10


@dataclass(slots=True, kw_only=True)
class Teller:
    console: Console
    quiet: bool
    began_s: float = field(default_factory=clock.monotonic_s)
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
        self._print(Text(f"\n{self.elapsed_s:5.1f} s   {self.number}. {title}", style="bold"))
        yield
        self.took.append((title, clock.monotonic_s() - began_s))

    def fact(self, text: str) -> None:
        self._print(Padding(Text(text), (0, 0, 0, _INDENT)))

    def line(self, text: str = "") -> None:
        self._print(Text(text))

    def _print(self, what: Text | Padding) -> None:
        if not self.quiet:
            width = min(self.console.width, WIDTH_MAX)
            self.console.print(what, highlight=False, markup=False, width=width)
