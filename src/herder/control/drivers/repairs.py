"""Carries out one rung of the repair ladder: restart the service, reboot, clean up. The worker's bootstrap is asked first where it can do
it, because it is the gentler way; the driver does it where the bootstrap cannot, or does not answer.

Called by the launch loop, one task for each worker whose rung is due (`engine/workers/repairs/repair.py`). The intent is durable before anything
is called, and the outcome is recorded after; a crash between the two calls again, which every driver and bootstrap allows. An unknown
outcome counts as done: whether it helped shows in the worker's conditions.
"""

import logging

from herder.control.drivers import calling
from herder.control.drivers.bootstraps import calling as bootstraps
from herder.control.drivers.bootstraps.targets import target_of
from herder.control.drivers.calling import DriverFrozenError
from herder.control.drivers.machines import Pauses
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.bootstraps import rungs_of
from herder.engine.workers.repairs import repair as life
from herder.model.fleet.driver import DriverError, OutcomeUnknown, RateLimited, Unavailable
from herder.model.fleet.repair import Rung
from herder.model.stored.changes import Changes
from herder.model.values.phrases import clause, sentences

log = logging.getLogger(__name__)

#: What cannot be reached is asked again for so long; then the rung has failed and the next comes at its time.
ASKED_MS = 120_000


def to_do(core: Core, worker: WorkerLife) -> bool:
    """Whether the driver or the bootstrap is to be called for this worker. Its agent cleans up by itself."""
    repair, driver = worker.health.repair, worker.spec.driver
    if repair is None or not life.is_due(worker) or life.wants_clean_up(worker):
        return False
    return repair.rung in rungs_of(core.state, worker) and calling.may_be_called(core, driver)


async def carry_out(core: Core, worker: WorkerLife, pauses: Pauses) -> None:
    await core.settle()
    repair = worker.health.repair
    if repair is None or not to_do(core, worker):
        return
    name, rung, since_ms = worker.spec.name, repair.rung, repair.since_ms
    until_ms = core.clock.monotonic_ms() + ASKED_MS
    while life.is_due(worker) and worker.health.repair is repair and repair.since_ms == since_ms:
        try:
            text = await _carry_out(core, worker, rung)
        except DriverFrozenError:
            return  # begun anew when a person has unfrozen the driver
        except OutcomeUnknown as error:
            text = f"{rung} of worker {name} has an unknown outcome: {clause(error)}."
            await _tell(core, worker, since_ms, text, done=True)
        except (RateLimited, Unavailable) as error:
            if core.clock.monotonic_ms() < until_ms:
                await pauses.retry(error)
                continue
            await _failed(core, worker, since_ms, error)
        except DriverError as error:
            await _failed(core, worker, since_ms, error)
        else:
            await _tell(core, worker, since_ms, text, done=True)
        return


async def _carry_out(core: Core, worker: WorkerLife, rung: Rung) -> str:
    """Who did it, as a sentence. Raises DriverError."""
    name, driver, bootstrap = worker.spec.name, worker.spec.driver, worker.spec.bootstrap
    able, why = rung in core.state.rungs.get(driver, frozenset()), ""
    known = core.state.bootstraps.get(bootstrap)
    if known is not None and rung in known.rungs:
        try:
            await bootstraps.repair(core, bootstrap, await target_of(core, worker), rung)
            return f"Bootstrap {bootstrap} has carried out {rung} of worker {name}."
        except DriverFrozenError:
            raise
        except DriverError as error:
            if not able:
                raise
            why = f"Bootstrap {bootstrap} could not: {clause(error)}"
    await calling.repair(core, driver, name, rung)
    return sentences(f"Driver {driver} has carried out {rung} of worker {name}", why)


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
