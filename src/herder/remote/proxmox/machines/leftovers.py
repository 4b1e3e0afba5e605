"""Images with boot data whose VM does not exist: what is left when a creation was forgotten between its image and its clone.

Called by `driver` for each listing. It reads the images rarely, and shows one only when no listing has had its VM for a while: the image
is there before the clone is. It removes nothing: the sweep deletes what no worker row knows, as it does with VMs.
"""

from collections.abc import Collection, Sequence

from herder.model.fleet.driver import DriverClock, DriverError, Machine, Phase
from herder.model.ids import WorkerName
from herder.remote.proxmox.machines import names as naming
from herder.remote.proxmox.machines.api import Api
from herder.remote.proxmox.machines.objects import Cluster
from herder.remote.proxmox.machines.settings import ProxmoxSettings

#: Between two looks at the images of all nodes.
LOOK_MS = 300_000
#: An image without a VM counts as left over after this time.
LEFT_MS = 600_000


class Leftovers:
    def __init__(self, api: Api, settings: ProxmoxSettings, installation: str, clock: DriverClock) -> None:
        self._api, self._settings, self._installation, self._clock = api, settings, installation, clock
        self._looked_ms: int | None = None
        self._since_ms: dict[WorkerName, int] = {}

    def found(self, cluster: Cluster, nodes: Sequence[str], known: Collection[WorkerName]) -> list[Machine]:
        """`known`: workers whose VM exists or is being made. Only for a complete listing."""
        now_ms = self._clock.monotonic_ms()
        if self._looked_ms is None or now_ms - self._looked_ms >= LOOK_MS:
            self._looked_ms = now_ms
            there = self._images(cluster, nodes)
            self._since_ms = {worker: self._since_ms.get(worker, now_ms) for worker in there}
        self._since_ms = {name: at_ms for name, at_ms in self._since_ms.items() if name not in known}
        return [
            Machine(
                worker=name,
                handle=naming.iso_name(self._installation, name),
                phase=Phase.FAILED,
                detail="Its image with boot data is left over; it has no VM.",
            )
            for name, at_ms in sorted(self._since_ms.items())
            if now_ms - at_ms >= LEFT_MS
        ]

    def forget(self, worker: WorkerName) -> None:
        """Its images were removed."""
        self._since_ms.pop(worker, None)

    def _images(self, cluster: Cluster, nodes: Sequence[str]) -> list[WorkerName]:
        found, storage = list[WorkerName](), self._settings.iso_storage
        for node in nodes:
            row = cluster.storage(storage, node)
            if row is None:
                continue
            try:
                volumes = self._api.images(node, storage)
            except DriverError:
                self._looked_ms = None  # looked at again with the next listing
                continue
            for volume in volumes:
                worker = naming.worker_of_image(volume.rpartition("/")[2], self._installation)
                found += [] if worker is None else [worker]
            if row.shared:
                break
        return found
