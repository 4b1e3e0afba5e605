"""The addresses at which the operating system of a worker is reached: those of its node, else those that its driver gives.

Called by everything that asks a bootstrap about a machine. It changes nothing at a provider, and never raises because a driver fails.
"""

import logging

from herder.control.drivers import calling as drivers
from herder.control.drivers.bootstraps.calling import system_of
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.model.fleet.driver import DriverError
from herder.model.values.phrases import clause
from herder.ports.bootstrap import Target

log = logging.getLogger(__name__)


async def target_of(core: Core, worker: WorkerLife) -> Target:
    """Without addresses when none is known."""
    name = worker.spec.name
    node = None if worker.node is None else worker.node.seen
    if node is not None and node.addresses:
        return Target(worker=name, addresses=node.addresses)
    known = system_of(core, worker.spec.bootstrap, name)
    try:
        machine = await drivers.get(core, worker.spec.driver, name, worker.operation)
    except DriverError as error:
        log.debug("The addresses of worker %s are not known: %s.", name, clause(error))
    else:
        known.addresses = machine.addresses or known.addresses
    return Target(worker=name, addresses=known.addresses)
