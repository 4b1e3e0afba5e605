"""Terra's Workspace Manager in a process, for tests: controlled VMs of Azure, jobs that take time, quotas, stock-outs, evictions, roles.

`Terra` is the fake without a network, on a time that is given (see `herder.testing.fakes`). Requests and answers are checked against Workspace Manager's
own description of its API, and what it does not have is refused.
"""

from herder.testing.terra.cloud import Terra
from herder.testing.terra.settings import REGION, TOKEN, WORKSPACE, Inventory, Size, TerraTimes
from herder.testing.terra.state import Job, State, Vm

__all__ = [
    "REGION",
    "TOKEN",
    "WORKSPACE",
    "Inventory",
    "Job",
    "Size",
    "State",
    "Terra",
    "TerraTimes",
    "Vm",
]
