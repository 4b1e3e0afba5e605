"""What the machine of a worker boots with, from the pool's bootstrap. Called by the launch loop before the driver is called.

Whatever the bootstrap raises becomes a `DriverError`: it fails this creation and never ends a loop. The data is a secret and never logged.
"""

import logging
import traceback

from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.cluster import nodes
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.cluster import INSTALLATION_LABEL, POOL_LABEL, WORKER_LABEL
from herder.model.fleet.driver import DriverError, DriverFault, InvalidRequest
from herder.ports.bootstrap import Joining

log = logging.getLogger(__name__)


def marks(core: Core, worker: WorkerLife) -> dict[str, str]:
    """The labels that its node is marked with."""
    spec = worker.spec
    whose = {WORKER_LABEL: spec.name, INSTALLATION_LABEL: core.settings.installation, POOL_LABEL: spec.pool}
    return nodes.node_labels(worker, whose)


def joining_of(core: Core, worker: WorkerLife) -> Joining:
    spec = worker.spec
    return Joining(
        worker=spec.name,
        pool=spec.pool,
        template=spec.template,
        installation=core.settings.installation,
        zone=spec.zone,
        labels=marks(core, worker),
        taints=spec.taints,
    )


def boot_data(core: Core, worker: WorkerLife) -> BootData | None:
    """None: its pool has no bootstrap, or the machine boots without data. Raises DriverError."""
    name = worker.spec.bootstrap
    if not name:
        return None
    bootstrap = core.bootstraps.get(name)
    if bootstrap is None:
        raise InvalidRequest(f"This server has no bootstrap {name}.")
    try:
        return bootstrap.boot_data(joining_of(core, worker))
    except DriverError:
        raise
    except Exception as error:  # noqa: BLE001 - a bug of the bootstrap ends this creation; its text may quote the data, so it is not told
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("Bootstrap %s failed in boot_data: %s.\n%s", name, type(error).__name__, where)
        raise DriverFault(f"Bootstrap {name} has a bug: {type(error).__name__}.") from None
