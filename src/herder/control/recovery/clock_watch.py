"""Detects a changed wall clock, and times in which the server was suspended. Called by the lifecycle loop.

Called once at the beginning of each of its rounds, before any deadline is checked. It ends no worker and no attempt.
"""

import logging

from herder.control.kernel.core import Core
from herder.engine import clock_step as times
from herder.engine.memory.events import record_event
from herder.model.stored.changes import Changes

log = logging.getLogger(__name__)

#: The wall clock may be so far from ours before ours follows: time servers correct less than that all the time.
APART_MAX_MS = 1_000
#: Rounds of the loop that may be missed before the server counts as having been away.
MISSED_ROUNDS = 3
#: An absence that is told: shorter ones happen on a busy machine.
TOLD_MS = 5_000


class Rounds:
    """When the last round was. `begin` says what has happened to time since then, and mends it."""

    def __init__(self, core: Core, period_s: float) -> None:
        self._core = core
        self._period_ms = int(period_s * 1000)
        self._last_ms = core.clock.monotonic_ms()

    def begin(self, changes: Changes) -> None:
        now_ms = self._core.clock.monotonic_ms()
        away_ms, self._last_ms = now_ms - self._last_ms - self._period_ms, now_ms
        if away_ms > MISSED_ROUNDS * self._period_ms:
            times.server_was_away(self._core.state, away_ms, self._core.clock.now_ms())
            if away_ms > TOLD_MS:
                text = f"The server was suspended for {away_ms / 1000:.0f} s. This time does not count as silence of a worker."
                _tell(self._core, changes, "server.away", text)
        apart_ms = self._core.clock.apart_ms()
        if abs(apart_ms) > APART_MAX_MS:
            follow_wall(self._core, changes, apart_ms)


def follow_wall(core: Core, changes: Changes, apart_ms: int) -> None:
    """The wall clock was set by `apart_ms`: ours follows, and with it every time that something alive remembers."""
    core.clock.follow(apart_ms)
    times.clock_set(core.state, changes, apart_ms)
    core.move_usage(apart_ms)
    core.placer.clock_set()
    core.preemptor.clock_set()
    core.demand_changed.set()
    way = "forward" if apart_ms > 0 else "back"
    text = f"The clock of this machine was set {way} by {abs(apart_ms) / 1000:.0f} s. Ages, costs and deadlines are not affected."
    _tell(core, changes, "server.clock_set", text)


def _tell(core: Core, changes: Changes, kind: str, text: str) -> None:
    log.warning("%s", text)
    record_event(core.state, changes, core.clock.now_ms(), kind, "server", text)
