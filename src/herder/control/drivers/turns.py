"""The turns of creations at each driver: how many machines are made at a time, and how far apart they are asked for.

Used by the launch loop, which begins a claim only when its turn has come, and by `machines.py` before each call of `create`. A creation
holds its place from its turn until the machine runs, or until the removal of what was begun is under way. How many hold one is counted
from the workers themselves, so a restart changes nothing; when a machine was asked for is not stored, so a server that starts waits a
whole pause first.
"""

import asyncio
from collections import Counter

from herder.control.drivers.calling import limits_of, may_be_called, notes_of
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.creation import under_way
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.values.phrases import agree, counted
from herder.settings.syntax.durations import format_duration

LOOK_MS = 500


def pause_left_ms(core: Core, driver: str) -> int:
    """Until the next machine may be asked for."""
    pause_ms = int(limits_of(core, driver).pause_between_starts_s * 1000)
    last_ms = notes_of(core, driver).last_start_ms
    if not pause_ms or last_ms is None:
        return 0
    return max(0, last_ms + pause_ms - core.clock.monotonic_ms())


def after_start(core: Core) -> None:
    """When the last machine was asked for is unknown, unless the store is new."""
    if core.state.next_plan > 1:
        for name in core.drivers:
            notes_of(core, name).last_start_ms = core.clock.monotonic_ms()


def wait_ms(core: Core, driver: str, worker: WorkerName) -> int:
    """Until its machine may be asked for, or until it is to be looked again: where starts keep a distance, one is asked for at a time."""
    others = notes_of(core, driver).starting - {worker}
    spaced = limits_of(core, driver).pause_between_starts_s > 0
    return max(pause_left_ms(core, driver), LOOK_MS if spaced and others else 0)


def asked(core: Core, driver: str, worker: WorkerName) -> None:
    """The call of `create` begins."""
    notes_of(core, driver).starting.add(worker)


def answered(core: Core, driver: str, worker: WorkerName) -> None:
    """It is over. The call may have waited for a place among the driver's calls: the distance counts from here."""
    notes = notes_of(core, driver)
    notes.last_start_ms = core.clock.monotonic_ms()
    notes.starting.discard(worker)
    if notes.waiting:
        core.workers_changed.set()


def leave(core: Core, worker: WorkerName) -> None:
    """Its task is over, whatever became of it."""
    for notes in core.driver_notes.values():
        notes.starting.discard(worker)


class Turns:
    """One look at all workers, in the order in which they were requested."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._taken: Counter[str] = Counter()
        self._next_ms: int | None = None
        for worker in core.state.workers.values():
            if under_way(worker):
                self._taken[worker.spec.driver] += 1
        for name, notes in core.driver_notes.items():
            notes.waiting.clear()
            for each in notes.starting:
                claimed = core.state.workers.get(each)
                if claimed is not None and claimed.state is WorkerState.REQUESTED:
                    self._taken[name] += 1

    def may_begin(self, worker: WorkerLife) -> bool:
        """Of a claim; when it may, its place is taken."""
        core, driver = self._core, worker.spec.driver
        if not may_be_called(core, driver):
            return True  # it is refused, which needs no place
        limits, notes = limits_of(core, driver), notes_of(core, driver)
        if self._taken[driver] >= limits.parallel_creates:
            notes.waiting[worker.spec.name] = f"parallel_creates is {limits.parallel_creates}"
            return False
        pause = limits.pause_between_starts_s
        left_ms = pause_left_ms(core, driver)
        if left_ms or (pause and notes.starting):
            notes.waiting[worker.spec.name] = f"pause_between_starts is {format_duration(pause)}"
            if left_ms:
                self._next_ms = left_ms if self._next_ms is None else min(self._next_ms, left_ms)
            return False
        notes.starting.add(worker.spec.name)
        self._taken[driver] += 1
        return True

    def wake_up(self) -> asyncio.TimerHandle | None:
        """Has the loop look again when a pause is over."""
        if self._next_ms is None:
            return None
        return asyncio.get_running_loop().call_later(self._next_ms / 1000, self._core.workers_changed.set)


def waiting_text(core: Core, driver: str) -> str:
    """A sentence, or nothing: how many claims wait for their turn, and for what."""
    waiting = notes_of(core, driver).waiting if driver in core.driver_notes else {}
    if not waiting:
        return ""
    why = Counter(waiting.values())
    said = [
        f"{counted(count, 'claim')} {agree(count, 'waits', 'wait')}: {reason}."
        for reason, count in sorted(why.items())
    ]
    return " ".join(said)
