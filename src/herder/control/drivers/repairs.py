"""Carries out one rung of the repair ladder through the driver: restart the service, reboot, clean up.

Called by the launch loop, one task for each worker whose rung is due (`engine/workers/repair.py`). The intent is durable before the driver
is called, and the outcome is recorded after; a crash between the two calls again, which every driver allows. An unknown outcome counts as
done: whether it helped shows in the worker's conditions.
"""

import logging

from herder.control.drivers import calling
from herder.control.drivers.calling import DriverFrozenError
from herder.control.drivers.machines import Pauses
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import repair as life
from herder.model.fleet.driver import DriverError, OutcomeUnknown, RateLimited, Unavailable
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause

log = logging.getLogger(__name__)

#: A driver that cannot be reached is asked again for so long; then the rung has failed and the next comes at its time.
ASKED_MS = 120_000


def to_do(core: Core, worker: WorkerLife) -> bool:
    """Whether the driver is to be called for this worker. Its agent cleans up by itself."""
    repair, driver = worker.health.repair, worker.spec.driver
    if repair is None or not life.is_due(worker) or life.wants_clean_up(worker):
        return False
    return repair.rung in core.state.rungs.get(driver, ()) and calling.may_be_called(core, driver)


async def carry_out(core: Core, worker: WorkerLife, pauses: Pauses) -> None:
    await core.settle()
    repair = worker.health.repair
    if repair is None or not to_do(core, worker):
        return
    name, driver, rung, since_ms = worker.spec.name, worker.spec.driver, repair.rung, repair.since_ms
    until_ms = core.clock.monotonic_ms() + ASKED_MS
    while life.is_due(worker) and worker.health.repair is repair and repair.since_ms == since_ms:
        try:
            await calling.repair(core, driver, name, rung)
        except DriverFrozenError:
            return  # begun anew when a person has unfrozen the driver
        except OutcomeUnknown as error:
            await _tell(
                core,
                worker,
                since_ms,
                f"{rung} of worker {name} has an unknown outcome: {clause(error)}.",
                done=True,
            )
        except (RateLimited, Unavailable) as error:
            if core.clock.monotonic_ms() < until_ms:
                await pauses.retry(error)
                continue
            await _failed(core, worker, since_ms, error)
        except DriverError as error:
            await _failed(core, worker, since_ms, error)
        else:
            await _tell(
                core, worker, since_ms, f"Driver {driver} has carried out {rung} of worker {name}.", done=True
            )
        return


async def _failed(core: Core, worker: WorkerLife, since_ms: int, error: DriverError) -> None:
    repair = worker.health.repair
    assert repair is not None
    text = f"{repair.rung} of worker {worker.spec.name} failed: {clause(error)}."
    log.warning("%s", text)
    await _tell(core, worker, since_ms, text, done=False)


async def _tell(core: Core, worker: WorkerLife, since_ms: int, text: str, *, done: bool) -> None:
    with core.change(Changes()) as changes:
        life.acted(core.state, changes, worker, since_ms, text, core.clock.now_ms(), done=done)
    await core.commit(changes)
