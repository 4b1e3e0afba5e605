"""Shuts the operating system of a drained worker down before its machine is deleted, so that its disks and its cluster see an orderly end.

Called once at the beginning of a removal. A system that does not answer in time never blocks the removal.
"""

import logging

from herder.control.drivers.bootstraps import calling
from herder.control.drivers.bootstraps.targets import target_of
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.model.fleet.driver import DriverError, Phase
from herder.model.values.phrases import clause

log = logging.getLogger(__name__)


async def shut_down(core: Core, worker: WorkerLife) -> None:
    """Of one that has been a worker, before there is nothing on it; and not again when its deletion has begun."""
    name, stopping = worker.spec.bootstrap, worker.phase == Phase.STOPPING.value
    if name not in core.bootstraps or worker.ready_at_ms is None or stopping or calling.refused(core, name):
        return
    try:
        target = await target_of(core, worker)
        if target.addresses:
            await calling.shut_down(core, name, target)
    except DriverError as error:
        log.info(
            "Worker %s was not shut down before its removal: %s. Its machine is deleted all the same.",
            worker.spec.name,
            clause(error),
        )
