"""What this process has promised to clones that Proxmox does not show yet: VMIDs, memory, space. Called by `driver`, from any thread.

Nothing here outlives the process. After a restart the VMID follows from the worker again, a clone that is finished has the worker in its
name, and one that is not is counted with the size of the worker that asks next.
"""

import threading
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from herder.model.fleet.creation import Step
from herder.model.fleet.driver import Machine, Phase, QuotaExceeded, Unavailable
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.proxmox.machines import making
from herder.remote.proxmox.machines import names as naming
from herder.remote.proxmox.machines.objects import Cluster, Guest, boot_disk
from herder.remote.proxmox.machines.options import Intent, intent_of, wanted_of
from herder.remote.proxmox.machines.placement import Place, Promise, Wanted, choose
from herder.remote.proxmox.machines.settings import ProxmoxSettings
from herder.remote.proxmox.machines.templates import Templates

_TURNS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    verb: str = ""
    node: str = ""
    vmid: int = 0
    upid: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.node} {self.vmid} {self.upid}".rstrip()

    def machine(self, worker: WorkerName, phase: Phase, step: Step | None = None) -> Machine:
        """Of which this is under way."""
        return Machine(worker=worker, handle=str(self.vmid), phase=phase, operation=str(self), step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """Begun by this process, and not configured yet."""

    worker: WorkerName
    vmid: int
    promise: Promise
    upid: str = ""
    asking: bool = True
    """The call that begins it has not been answered. Not, and no `upid`: its answer was lost."""

    @property
    def operation(self) -> Operation:
        return Operation(verb="create", node=self.promise.node, vmid=self.vmid, upid=self.upid)

    @property
    def creating(self) -> Machine:
        return self.operation.machine(self.worker, Phase.CREATING, Step.CREATE)


def operation_in(text: str) -> Operation:
    parts = text.split()
    if len(parts) not in (3, 4) or not parts[2].isdecimal():
        return Operation()
    return Operation(verb=parts[0], node=parts[1], vmid=int(parts[2]), upid="".join(parts[3:]))


class Clones:
    def __init__(self, settings: ProxmoxSettings, installation: str, templates: Templates) -> None:
        self._settings, self._installation, self._templates = settings, installation, templates
        self._lock = threading.Lock()
        self._turns = tuple(threading.Lock() for _ in range(_TURNS))
        self.begun: dict[int, Clone] = {}

    def one_at_a_time(self, worker: WorkerName) -> threading.Lock:
        """Two creations of one worker follow one another, so that the second sees what the first has made."""
        return self._turns[zlib.crc32(worker.encode()) % _TURNS]

    def started(self, clone: Clone, upid: str) -> Clone:
        """Its task is known; no task: its answer was lost. One that was forgotten meanwhile stays so."""
        clone = replace(clone, upid=upid, asking=False)
        with self._lock:
            if clone.vmid in self.begun:
                self.begun[clone.vmid] = clone
        return clone

    def reserve(
        self,
        cluster: Cluster,
        spec: WorkerSpec,
        options: Mapping[str, str],
        places: Sequence[Place],
        skipped: set[int],
    ) -> tuple[Clone, Place, Intent | None]:
        """A VMID and room on a node, promised before anything is asked. No intent: it was promised before."""
        with self._lock:
            begun = self.of(spec.name)
            if begun is not None:
                return begun, places[0], None
            template = self._templates.config(places[0].template_node, places[0].template)
            key, _, size = boot_disk(template)
            wanted = wanted_of(spec, options, self._settings, size)
            promises = self.promises() | self._estimates(cluster, wanted)
            place = choose(cluster, places, wanted, promises, self._settings, spec.zone)
            template = self._templates.config(place.template_node, place.template)
            vmid = self._free_vmid(cluster, spec.name, skipped)
            promise = Promise(node=place.node, wanted=wanted, storage=place.storage)
            volume = making.volume_of(self._settings, self._installation, spec.name)
            intent = intent_of(
                spec,
                options,
                self._settings,
                self._installation,
                vmid,
                wanted,
                template,
                (key, size),
                (place.node, volume),
            )
            clone = Clone(worker=spec.name, vmid=vmid, promise=promise)
            self.begun[vmid] = clone
            return clone, place, intent

    def _free_vmid(self, cluster: Cluster, worker: str, skipped: set[int]) -> int:
        taken = {guest.vmid for guest in cluster.guests} | set(self.begun) | skipped
        first, last = self._settings.vmid_first, self._settings.vmid_last
        found = naming.candidates(self._installation, worker, first, last)
        vmid = next((each for each in found if each not in taken), None)
        if vmid is None:
            raise QuotaExceeded(f"All VMIDs from {first} to {last} are in use. Raise vmid_last.")
        return vmid

    def check_nameless(self, cluster: Cluster, worker: WorkerName) -> None:
        """A clone that an earlier process began has no name until it is finished: it may be this worker's when it has its VMID. Raises
        Unavailable then, since a second one would double the worker."""
        guests = {guest.vmid: guest for guest in cluster.guests}
        first, last = self._settings.vmid_first, self._settings.vmid_last
        for vmid in naming.candidates(self._installation, worker, first, last):
            guest = guests.get(vmid)
            if guest is None and vmid not in self.begun:
                return
            if guest is not None and vmid not in self.begun and guest.lock in ("clone", "create"):
                raise Unavailable(
                    f"VM {vmid} of node {guest.node} is being cloned and has no name yet; it may be that of worker {worker}. Herder waits for "
                    f"it. When its task no longer runs, run `qm unlock {vmid}` and `qm destroy {vmid}` on the node."
                )

    def promises(self) -> dict[int, Promise]:
        return {clone.vmid: clone.promise for clone in self.begun.values()}

    def _estimates(self, cluster: Cluster, wanted: Wanted) -> dict[int, Promise]:
        """For clones that an earlier process began: they show no size yet."""
        return {
            guest.vmid: Promise(node=guest.node, wanted=wanted, storage="")
            for guest in cluster.guests
            if self.in_range(guest) and guest.lock in ("clone", "create") and guest.vmid not in self.begun
        }

    def of(self, worker: WorkerName) -> Clone | None:
        return next((each for each in list(self.begun.values()) if each.worker == worker), None)

    def forget(self, vmid: int) -> None:
        self.begun.pop(vmid, None)

    def ended(self, worker: WorkerName, vmid: int, upid: str) -> bool:
        """Its task has failed. Whether nothing else has been begun for the worker since: what is left of it may go."""
        with self._lock:
            begun = self.of(worker)
            if begun is not None and (begun.vmid, begun.upid) != (vmid, upid):
                return False
            self.forget(vmid)
            return True

    def lost(self, clone: Clone, upid: str) -> bool:
        """It has no VM, and the task `upid` does not run. Whether that ends its promise; not while a later task of it may run."""
        return clone.upid in ("", upid) and self.ended(clone.worker, clone.vmid, clone.upid)

    def in_range(self, guest: Guest) -> bool:
        return self._settings.vmid_first <= guest.vmid <= self._settings.vmid_last
