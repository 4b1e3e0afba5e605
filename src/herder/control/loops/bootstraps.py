"""The bootstraps loop: configures machines that join, looks at the operating systems of workers, and checks credentials that were refused.

One task for each question, so that a machine that does not answer holds up no other. It decides nothing about workers: what a system reports
becomes conditions (`engine/workers/bootstraps.py`). Every question may be repeated; after a restart all are asked again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial

from herder.control.drivers.bootstraps import calling, configuring, looking, upgrading
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.bootstraps import forget_ended
from herder.model.fleet.driver import DriverError
from herder.model.values.phrases import clause

log = logging.getLogger(__name__)

#: What is to be asked is looked for this often.
TICK_S = 1.0
#: Questions at a time, over all bootstraps.
AT_A_TIME = 8
#: Between two tries to configure a machine, growing by half up to the longest.
CONFIGURE_S, CONFIGURE_LONGEST_S = 2.0, 15.0
#: After an error of Herder's own.
FAILED_S = 15.0
#: Between two checks of a bootstrap whose credentials are refused.
CHECK_S = 60.0


async def run(core: Core) -> None:
    if not core.bootstraps:
        await asyncio.Event().wait()
    questions = _Questions(core)
    try:
        while True:
            if core.leadership.holds():
                questions.begin()
            await asyncio.sleep(TICK_S)
    finally:
        await questions.close()


@dataclass(slots=True)
class _Due:
    """Of one worker or bootstrap: when it may be asked, in monotonic milliseconds."""

    at_ms: int = 0
    pause_s: float = CONFIGURE_S


@dataclass(slots=True)
class _Questions:
    """What is being asked. Bounded by the workers and the bootstraps."""

    core: Core
    under_way: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    due: dict[str, _Due] = field(default_factory=dict)
    calendar_ms: int = 0
    """When the calendar is to be looked at (monotonic)."""

    def begin(self) -> None:
        """Those that have waited longest come first."""
        self._forget()
        now_ms = self.core.clock.monotonic_ms()
        if now_ms >= self.calendar_ms:
            upgrading.look_at_windows(self.core)
            self.calendar_ms = now_ms + int(upgrading.CALENDAR_S * 1000)
        wanted = [
            (key, ask)
            for key, ask in self._wanted()
            if key not in self.under_way and self._due(key).at_ms <= now_ms
        ]
        wanted.sort(key=lambda each: self._due(each[0]).at_ms)
        for key, ask in wanted[: AT_A_TIME - len(self.under_way)]:
            task = asyncio.get_running_loop().create_task(ask(), name=f"bootstrap-{key}")
            self.under_way[key] = task
            task.add_done_callback(partial(self._finished, key))

    def _wanted(self) -> Iterator[tuple[str, Callable[[], Coroutine[None, None, None]]]]:
        core = self.core
        for name in core.bootstraps:
            if calling.refused(core, name):
                yield f"bootstrap/{name}", partial(self._check, name)
        for name, worker in core.state.workers.items():
            if worker.spec.bootstrap not in core.bootstraps:
                continue
            if configuring.wanted(core, worker):
                yield f"worker/{name}", partial(self._configure, worker)
            elif looking.wanted(core, worker):
                yield f"system/{name}", partial(self._look, worker)

    def _due(self, key: str) -> _Due:
        return self.due.setdefault(key, _Due())

    def _forget(self) -> None:
        workers, bootstraps = self.core.state.workers, self.core.bootstraps
        for key in list(self.due):
            kind, _, name = key.partition("/")
            if name not in (bootstraps if kind == "bootstrap" else workers):
                del self.due[key]
        for notes in self.core.bootstrap_notes.values():
            for each in [each for each in notes.systems if each not in workers]:
                del notes.systems[each]
        forget_ended(self.core.state)

    def _finished(self, key: str, task: "asyncio.Task[None]") -> None:
        del self.under_way[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("Question %s failed: %s. Herder asks again.", key, error, exc_info=error)
            self._again(key, FAILED_S)

    def _again(self, key: str, pause_s: float) -> None:
        self._due(key).at_ms = self.core.clock.monotonic_ms() + int(pause_s * 1000)

    async def _configure(self, worker: WorkerLife) -> None:
        key = f"worker/{worker.spec.name}"
        await configuring.configure(self.core, worker)
        due = self._due(key)
        self._again(key, due.pause_s)
        due.pause_s = min(due.pause_s * 1.5, CONFIGURE_LONGEST_S)

    async def _look(self, worker: WorkerLife) -> None:
        await looking.look(self.core, worker)
        self._again(f"system/{worker.spec.name}", 0)  # who was asked longest ago comes first

    async def _check(self, name: str) -> None:
        try:
            await calling.checks(self.core, name)
        except DriverError as error:
            log.warning("Bootstrap %s is still refused: %s.", name, clause(error))
        self._again(f"bootstrap/{name}", CHECK_S)

    async def close(self) -> None:
        tasks = list(self.under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
