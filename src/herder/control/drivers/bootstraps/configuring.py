"""Gives the machine of a worker that joins its configuration, where its bootstrap does so over the network. One try for each call.

Called by `control/loops/bootstraps.py` until it answers that the machine has it; the time-out of the step ends the creation otherwise. After
a restart it is asked again, which every bootstrap allows: nothing of it is stored.
"""

import logging

from herder.control.drivers import machines
from herder.control.drivers.boot_data import joining_of
from herder.control.drivers.bootstraps import calling
from herder.control.drivers.bootstraps.targets import target_of
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import bootstraps as life
from herder.model.fleet.driver import DriverError, DriverFault, InvalidRequest
from herder.model.fleet.worker import WorkerState
from herder.model.values.phrases import clause
from herder.ports.bootstrap import Target

log = logging.getLogger(__name__)

#: These are wrong until a person corrects them: the creation is over.
_FINAL = (InvalidRequest, DriverFault)


def wanted(core: Core, worker: WorkerLife) -> bool:
    """Whether its machine may still need its configuration: a machine with a node has one."""
    name = worker.spec.bootstrap
    if worker.state is not WorkerState.JOINING or worker.node is not None or name not in core.bootstraps:
        return False
    return not calling.system_of(core, name, worker.spec.name).configured


async def configure(core: Core, worker: WorkerLife) -> None:
    """Once. The driver is asked for the addresses each time: a machine may get others when it starts."""
    name = worker.spec.bootstrap
    try:
        target = await target_of(core, worker)
        has_it = await calling.configure(core, name, joining_of(core, worker), target)
    except _FINAL as error:
        await machines.no_boot_data(core, worker, error, resumed=True)
        return
    except DriverError as error:
        life.configuring(core.state, worker, clause(error))
        return
    life.configuring(core.state, worker, "" if has_it else _waits(target))
    if has_it:
        calling.system_of(core, name, worker.spec.name).configured = True
        log.info("Bootstrap %s: the machine of worker %s has its configuration.", name, worker.spec.name)


def _waits(target: Target) -> str:
    if not target.addresses:
        return "its driver does not know its address yet"
    return f"it does not answer at {', '.join(target.addresses)} yet"
