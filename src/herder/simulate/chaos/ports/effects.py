"""The effects of one server: everything that it does outside of its memory. They are counted, and the server can die at each.

Ports report every effect before and after it happens. What a server still does in the turn in which it died has no effect.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from herder.simulate.chaos.hosts.loop import VirtualLoop


@dataclass(slots=True, kw_only=True)
class Effects:
    """`dies`: asked at each effect. `kill`: called with the effect at which the server dies."""

    loop: VirtualLoop
    host: str
    dies: Callable[[str], bool] = field(default=lambda _what: False)
    kill: Callable[[str], None] = field(default=lambda _what: None)
    count: int = 0

    @property
    def alive(self) -> bool:
        return not self.host or self.loop.alive(self.host)

    def at(self, what: str) -> bool:
        """Whether the effect may happen: the server is alive and does not die here."""
        if not self.alive:
            return False
        self.count += 1
        if self.dies(what):
            self.kill(what)
            return False
        return True
