"""What a person reads of a machine that has a fault: its console, or the log of kubelet where its driver has no console; and the logs of single
services. Called by reads."""

import re

from herder.control.drivers import calling as drivers
from herder.control.drivers.bootstraps import calling
from herder.control.drivers.bootstraps.targets import target_of
from herder.control.kernel.core import Core
from herder.model.fleet.driver import NotFound
from herder.model.fleet.driver_capabilities import Console
from herder.model.fleet.machine_logs import SERVICES, part
from herder.model.ids import WorkerName
from herder.model.values.phrases import listed

SERVICE = "kubelet"
SERVICE_MAX = 64
_SERVICE = re.compile(rf"[a-zA-Z0-9][-_.a-zA-Z0-9]{{0,{SERVICE_MAX - 1}}}")


async def console(core: Core, driver: str, name: WorkerName) -> str:
    """Raises DriverError."""
    worker = core.state.workers.get(name)
    shows = isinstance(core.drivers.get(driver), Console)
    if shows or worker is None or worker.spec.bootstrap not in core.bootstraps:
        return await drivers.console(core, driver, name)
    return await calling.logs(core, worker.spec.bootstrap, await target_of(core, worker), SERVICE)


async def logs(core: Core, driver: str, name: WorkerName, service: str) -> str:
    """`service`: of those on the console, or one of the system that its bootstrap reaches. Raises DriverError."""
    if service in SERVICES:
        return part(await drivers.console(core, driver, name), service)
    worker = core.state.workers.get(name)
    if worker is None or worker.spec.bootstrap not in core.bootstraps or not _SERVICE.fullmatch(service):
        raise NotFound(f"There is no service {service[:SERVICE_MAX]}. Write {listed(SERVICES, 'or')}.")
    return await calling.logs(core, worker.spec.bootstrap, await target_of(core, worker), service)
