"""The effects of one server: everything by which it touches what is outside of its memory, counted, each a place at which it can die.

Ports tell every effect before and after it happens. What a server still does in the turn in which it died reaches nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from herder.simulate.chaos.hosts.loop import VirtualLoop


@dataclass(slots=True, kw_only=True)
class Effects:
    """`kill`: called with what the server was about to do, or had just done. `dies`: asked at each effect."""

    loop: VirtualLoop
    host: str
    dies: Callable[[str], bool] = field(default=lambda _what: False)
    kill: Callable[[str], None] = field(default=lambda _what: None)
    count: int = 0

    @property
    def alive(self) -> bool:
        return not self.host or self.loop.alive(self.host)

    def at(self, what: str) -> bool:
        """Whether the server still lives: an effect of a dead one must not happen."""
        if not self.alive:
            return False
        self.count += 1
        if self.dies(what):
            self.kill(what)
            return False
        return True
