"""An attempt that waits for its fork of a warm interpreter. When that has come, or will not come, the attempt is started.

Created by the process runtime when no fork is ready. It waits for a bounded time, then it gets a Python of its own.
"""

from collections.abc import Callable

from herder.agent.runtimes import Running, Verdict
from herder.agent.runtimes.process_attempt import Machine
from herder.agent.warm.template import Child
from herder.wire.worker.exchange import Finished

Launch = Callable[[Child | None], "Finished | Running"]


class WarmAttempt:
    def __init__(
        self,
        machine: Machine,
        started_at_ms: int,
        launch: Launch,
        undo: Callable[[Verdict], Finished],
    ) -> None:
        """`launch` starts it, `undo` gives back what was begun."""
        self.started_at_ms = started_at_ms
        self._machine = machine
        self._launch = launch
        self._undo = undo
        self._running: Running | None = None
        self._over = False
        self._timer = machine.loop.call_later(machine.settings.warm_wait_s, self.take, None)

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        if self._running is not None:
            self._running.stop(verdict, at_once=at_once)
        elif not self._over:
            self._end(self._undo(verdict))

    def take(self, child: Child | None) -> bool:
        """Whether the child is used."""
        if self._over or self._running is not None:
            return False
        self._timer.cancel()
        outcome = self._launch(child)
        if isinstance(outcome, Finished):
            self._end(outcome)
        else:
            self._running = outcome
        return True

    def _end(self, finished: Finished) -> None:
        self._over = True
        self._timer.cancel()
        # Never from inside `stop`: who stops many attempts is walking over them.
        self._machine.loop.call_soon(self._machine.report.ended, finished)
