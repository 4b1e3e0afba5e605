"""The sweep: what each provider holds under our tag against our rows, both ways.

A machine without a row is removed once it has been seen in two sweeps; a row whose machine has gone is closed, and its attempts
are tried elsewhere. A provider that does not answer proves nothing: unknown is not gone.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from herder.control.core import Core
from herder.engine import worker as life
from herder.engine.events import record_event
from herder.model.changes import Changes
from herder.model.driver import Driver, DriverError, Machine, NotFound
from herder.model.ids import WorkerName
from herder.model.worker import WorkerState

log = logging.getLogger(__name__)

#: The longest that a provider may take for a listing, and for the removal of an orphan.
LIST_S = 120.0
DELETE_S = 300.0

#: States in which a machine must be there. Before, it may not have been made yet; after, it may have gone.
EXPECTED = frozenset({WorkerState.JOINING, WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})


async def run(core: Core) -> None:
    orphans: dict[str, set[WorkerName]] = {}
    while True:
        for name, driver in core.drivers.items():
            before = {
                worker: life_.state
                for worker, life_ in core.state.workers.items()
                if life_.spec.driver == name
            }
            try:
                machines = await core.calls.run(name, "list", driver.list, deadline_s=LIST_S)
            except DriverError as error:
                log.warning("driver %s cannot list its machines: %s", name, error)
                continue
            await _close_lost(core, before, {machine.worker: machine for machine in machines})
            orphans[name] = await _remove_orphans(core, name, driver, machines, orphans.get(name, set()))
        await asyncio.sleep(core.settings.sweep_period_s)


async def _close_lost(
    core: Core, before: dict[WorkerName, WorkerState], machines: dict[WorkerName, Machine]
) -> None:
    """Only workers that were expected before the listing began, and still are, can be missed."""
    changes = Changes()
    for name, state in before.items():
        machine = machines.get(name)
        worker = core.state.workers.get(name)
        if worker is None or state not in EXPECTED or worker.state not in EXPECTED:
            continue
        if machine is None or not machine.running:
            life.machine_gone(core.state, changes, worker, core.clock.now_ms())
    if not changes.empty:
        core.workers_changed.set()
        await core.commit(changes)


async def _remove_orphans(
    core: Core, name: str, driver: Driver, machines: Sequence[Machine], seen: set[WorkerName]
) -> set[WorkerName]:
    unknown = {machine.worker for machine in machines if machine.worker not in core.state.workers}
    for worker in sorted(unknown & seen):
        try:
            await core.calls.run(name, "delete", partial(driver.delete, worker), deadline_s=DELETE_S)
        except NotFound:
            pass
        except DriverError as error:
            log.warning("driver %s cannot remove the orphan %s: %s", name, worker, error)
            continue
        changes = Changes()
        text = f"driver {name} held machine {worker}, which no row knows; removed"
        record_event(core.state, changes, core.clock.now_ms(), "worker.orphan", f"worker/{worker}", text)
        await core.commit(changes)
    return unknown - seen
