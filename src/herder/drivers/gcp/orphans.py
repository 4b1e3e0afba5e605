"""Disks of ours that no VM uses: what is left when a VM was removed without its disk. Called by `driver`.

A boot disk goes with its VM, unless people have changed that, or a creation broke in the middle. Listings look for such disks rarely, and show one only when it
was without a VM for a while; the sweep then deletes what no worker row knows.
"""

import logging
from collections.abc import Collection, Sequence

from herder.drivers.gcp.api import Api
from herder.drivers.gcp.errors import NoSuchZone
from herder.drivers.gcp.instances import INSTALLATION_LABEL, Disk
from herder.model.fleet.driver import DriverClock, DriverError, Machine, NotFound, Phase
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause
from herder.remote.clouds.facts import facts_in, label_value, machine_name

_LOG = logging.getLogger(__name__)
#: Between two looks at the disks.
LOOK_MS = 300_000
#: A disk without a VM counts as left over after this time: it exists a little before its VM does.
LEFT_MS = 600_000


class Orphans:
    def __init__(self, api: Api, installation: str, clock: DriverClock) -> None:
        self._api, self._installation, self._clock = api, installation, clock
        self._looked_ms: int | None = None
        self._since_ms: dict[WorkerName, tuple[int, Disk]] = {}
        self._failing = False

    def found(self, known: Collection[WorkerName]) -> list[Machine]:
        """`known`: workers whose VM exists. Only for a complete listing."""
        now_ms = self._clock.monotonic_ms()
        if self._looked_ms is None or now_ms - self._looked_ms >= LOOK_MS:
            self._look(now_ms)
        self._since_ms = {name: each for name, each in self._since_ms.items() if name not in known}
        return [
            _left(worker, disk, Phase.FAILED)
            for worker, (at_ms, disk) in sorted(self._since_ms.items())
            if now_ms - at_ms >= LEFT_MS
        ]

    def zones_of(self, worker: WorkerName) -> Sequence[str]:
        """Where a disk of it was found, also where the settings name no such zone."""
        found = self._since_ms.get(worker)
        return (found[1].zone_name,) if found is not None else ()

    def remove(self, worker: WorkerName, zone: str) -> Machine | None:
        """Begins to delete what is left there of `worker`; None: nothing is."""
        name = machine_name(self._installation, worker)
        try:
            disk = self._api.disk(zone, name)
            facts = facts_in(disk.description, self._installation)
            if disk.users or facts is None or facts.worker != worker:
                return None
            begun = self._api.delete_disk(zone, name)
        except (NotFound, NoSuchZone):
            self._since_ms.pop(worker, None)
            return None
        return _left(worker, disk, Phase.STOPPING, f"delete/{zone}/{begun.get('name', '')}")

    def _look(self, now_ms: int) -> None:
        try:
            disks = self._api.disks(INSTALLATION_LABEL, label_value(self._installation))
        except DriverError as error:
            if not self._failing:
                _LOG.warning("Disks without a VM cannot be looked for: %s.", clause(error))
            self._failing = True
            self._looked_ms = None  # looked at again with the next listing
            return
        self._failing = False
        self._looked_ms, before, self._since_ms = now_ms, self._since_ms, {}
        for disk in disks:
            facts = facts_in(disk.description, self._installation)
            # A disk that was copied carries the facts of its model.
            named = facts is not None and machine_name(self._installation, facts.worker) == disk.name
            if facts is not None and named and not disk.users:
                worker = WorkerName(facts.worker)
                since_ms = before[worker][0] if worker in before else now_ms
                self._since_ms[worker] = (since_ms, disk)


def _left(worker: WorkerName, disk: Disk, phase: Phase, operation: str = "") -> Machine:
    return Machine(
        worker=worker,
        handle=f"{disk.zone_name}/{disk.name}",
        phase=phase,
        operation=operation,
        detail="Its disk is left over; it has no VM.",
    )
