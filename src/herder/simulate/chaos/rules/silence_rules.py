"""The rule of silence: no worker is declared dead while its calls reach the server.

Only time in which a server runs counts: while none runs, or while it is stopped, no call can arrive.
"""

from collections.abc import Iterator

from herder.simulate.chaos.world import World

#: Time between two calls of `look`.
LOOK_S = 5.0
#: A worker may be declared dead after this part of `dead_after` without a call; the rest is for calls under way.
EARLY = 0.75


class SilenceRules:
    def __init__(self, world: World, dead_after_s: float) -> None:
        self._world, self._dead_after_s = world, dead_after_s
        self._up_s = 0.0
        self._heard: dict[str, float] = {}
        """By worker: the server's running time at its last accepted call."""
        world.wire.server_time = lambda: self._up_s
        world.wire.taken = self._taken

    def look(self) -> None:
        """Called each `LOOK_S`."""
        server = self._world.server
        if server is not None and self._world.loop.running(server.host):
            self._up_s += LOOK_S

    def _taken(self, who: str, path: str, arrived_at_s: float) -> None:
        if path.startswith("/api/v1/worker/"):
            self._heard[who] = max(arrived_at_s, self._heard.get(who, 0.0))

    def silent_s(self, worker: str) -> float | None:
        """How long ago a call of it was taken, in the server's time."""
        heard = self._heard.get(worker)
        return None if heard is None else self._up_s - heard

    def may_be_dead(self, worker: str) -> bool:
        """Whether it has been silent for so long that the server may say so."""
        heard = self._heard.get(worker)
        return heard is None or self._up_s - heard >= EARLY * self._dead_after_s

    def dead(self, worker: str) -> Iterator[tuple[str, str]]:
        """The server has declared the worker dead."""
        heard = self._heard.pop(worker, None)
        if heard is None:
            return
        silent_s = self._up_s - heard
        if silent_s < EARLY * self._dead_after_s:
            yield (
                "no worker is dead while it calls",
                f"Worker {worker} was declared dead {silent_s:.0f} s after its last call; dead_after is {self._dead_after_s:g} s.",
            )
