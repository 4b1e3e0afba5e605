"""What Proxmox did with a VM, from its tasks: for a person who looks for a fault. Called by `driver`."""

from herder.model.fleet.driver_capabilities import ProviderOperation
from herder.remote.proxmox.errors import succeeded
from herder.remote.proxmox.machines.api import Json


def operation_of(task: Json) -> ProviderOperation:
    """Of a row of a list of tasks: it has a status when it has ended."""
    end, began = task.get("status"), task.get("starttime")
    good = end is not None and succeeded(str(end))
    return ProviderOperation(
        kind=str(task.get("type", "")),
        state="running" if end is None else "done" if good else "failed",
        began_ms=round(began * 1000) if isinstance(began, int | float) else None,
        by=str(task.get("user", "")),
        detail="" if end is None or good else str(end),
    )
