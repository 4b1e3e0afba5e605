"""Asks the operating system of one worker how it is, and hands the engine its conditions. Called by `control/loops/bootstraps.py`.

A system that does not answer is unknown: it is neither well nor sick, and its conditions stay as they were reported last.
"""

from herder.control.drivers.bootstraps import calling
from herder.control.drivers.bootstraps.targets import target_of
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import bootstraps as life
from herder.model.fleet.driver import DriverError
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause

#: Between two looks at a worker that is not well, and at one that is.
SICK_S, WELL_S = 15.0, 120.0
_JOINED = frozenset({WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})


def wanted(core: Core, worker: WorkerLife) -> bool:
    """Whether it is to be looked at now."""
    if worker.state not in _JOINED:
        return False
    note = calling.system_of(core, worker.spec.bootstrap, worker.spec.name)
    well = note.well and not worker.health.conditions and worker.state is WorkerState.READY
    every_s = WELL_S if well else SICK_S
    return note.asked_ms is None or core.clock.monotonic_ms() - note.asked_ms >= every_s * 1000


async def look(core: Core, worker: WorkerLife) -> None:
    name = worker.spec.bootstrap
    note = calling.system_of(core, name, worker.spec.name)
    note.asked_ms = core.clock.monotonic_ms()
    try:
        found = await calling.look(core, name, await target_of(core, worker))
    except DriverError as error:
        note.trouble = clause(error)
        return
    note.seen, note.seen_at_ms, note.trouble = found, core.clock.now_ms(), ""
    with core.change(Changes()) as changes:
        life.seen(core.state, changes, worker, found.conditions, core.clock.now_ms())
    if not changes.empty or core.state.dirty_workers:
        await core.commit(changes)
