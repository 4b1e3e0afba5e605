"""What a person reads of a machine that has a fault: its console, or the log of kubelet where its driver has no console. Called by reads."""

from herder.control.drivers import calling as drivers
from herder.control.drivers.bootstraps import calling
from herder.control.drivers.bootstraps.targets import target_of
from herder.control.kernel.core import Core
from herder.model.fleet.driver_capabilities import Console
from herder.model.ids import WorkerName

SERVICE = "kubelet"


async def console(core: Core, driver: str, name: WorkerName) -> str:
    """Raises DriverError."""
    worker = core.state.workers.get(name)
    shows = isinstance(core.drivers.get(driver), Console)
    if shows or worker is None or worker.spec.bootstrap not in core.bootstraps:
        return await drivers.console(core, driver, name)
    return await calling.logs(core, worker.spec.bootstrap, await target_of(core, worker), SERVICE)
