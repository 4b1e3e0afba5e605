"""The driver for Proxmox VE: a worker is a virtual machine, cloned from a template.

Called by the loops, from any thread. It needs nothing of its own after a restart: the notes and tags of a VM say what it is and how far,
and the operation says which task is under way. In memory it has what was promised to clones that Proxmox does not show yet.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from herder.model.fleet.creation import CreationLimits, Step
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverContext,
    DriverError,
    Listing,
    Machine,
    NotFound,
    OutcomeUnknown,
    Phase,
    StartData,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check, Need, Network, ProviderOperation, Quota
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.proxmox.calls import ProxmoxCalls
from herder.remote.proxmox.errors import succeeded, task_error
from herder.remote.proxmox.machines import cidata, making
from herder.remote.proxmox.machines import names as naming
from herder.remote.proxmox.machines.api import Api, Json
from herder.remote.proxmox.machines.clones import Clone, Clones, Operation, operation_in
from herder.remote.proxmox.machines.leftovers import Leftovers
from herder.remote.proxmox.machines.objects import Cluster, Guest
from herder.remote.proxmox.machines.operations import operation_of
from herder.remote.proxmox.machines.options import Intent, intent_in, need_of, options_of
from herder.remote.proxmox.machines.placement import Place, online_nodes, quotas_of
from herder.remote.proxmox.machines.rights import checks_of
from herder.remote.proxmox.machines.settings import ProxmoxSettings
from herder.remote.proxmox.machines.templates import Templates

creation_limits = CreationLimits(
    create_tries=3, create_retry_pause_s=60.0, parallel_creates=5, pause_between_starts_s=30.0
)
_CLASHES_MOST = 8


class ProxmoxDriver:
    #: A stopped VM is said by the node that runs it.
    first_hand = True
    deadlines_s: Mapping[str, float] = {"create": 75.0, "delete": 60.0, "get": 60.0, "list": 30.0}

    def __init__(self, settings: ProxmoxSettings, context: DriverContext, client: ProxmoxCalls) -> None:
        self._settings, self._context, self._client = settings, context, client
        self._installation = context.installation
        self._api = Api(client)
        self._templates = Templates(self._api, settings, context.clock)
        self._clones = Clones(settings, context.installation, self._templates)
        self._leftovers = Leftovers(self._api, settings, context.installation, context.clock)
        boot = (Step.BOOT,) if settings.wait_for_agent else ()
        self.steps: Sequence[Step] = (Step.CREATE, Step.CONFIGURE, Step.START, *boot)

    @property
    def name(self) -> str:
        return self._context.name or "proxmox"

    # --- verbs

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        naming.check_worker(spec.name)
        options = options_of(spec)
        with self._clones.one_at_a_time(spec.name):
            return self._create(spec, start, options)

    def _create(self, spec: WorkerSpec, start: StartData, options: Mapping[str, str]) -> Machine:
        cluster = self._api.cluster()
        found = self._known(cluster, spec.name)
        if found is not None:
            return self._seen(spec.name, *found)
        places = self._templates.places(cluster, options, spec.zone)
        image = cidata.image_for(spec, start, self._installation, self._settings)
        skipped: set[int] = set()
        for _ in range(_CLASHES_MOST):
            clone, place, intent = self._clones.reserve(cluster, spec, options, places, skipped)
            if intent is None:  # another thread has begun it
                return clone.creating
            try:
                return self._begin(clone, place, intent, image, options)
            except AlreadyExists:
                skipped.add(clone.vmid)
                node = self._clash(cluster, spec.name, clone.vmid)
                if node:
                    return self._seen(spec.name, node, clone.vmid)
                self._drop_image(spec.name, place.node)
        raise Unavailable(
            f"{_CLASHES_MOST} VMIDs from {self._settings.vmid_first} on are taken by VMs that the API token does not see. "
            "Give this installation a range of its own."
        )

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        naming.check_worker(worker)
        under_way = operation_in(operation)
        if under_way.verb == "delete":
            return self._ending(worker, under_way)
        clone = self._clones.of(worker)
        if clone is not None and not under_way.upid:
            under_way = clone.operation
            if clone.asking:
                return clone.creating
        if under_way.upid:
            step = self._running_step(worker, under_way)
            if step is not None:
                return under_way.machine(worker, Phase.CREATING, step)
        found = (under_way.node, under_way.vmid) if under_way.verb else None
        config = self._ours(worker, *found) if found else None
        if config is None:
            found = self._known(self._api.cluster(), worker, listed_only=True)
            config = self._ours(worker, *found) if found else None
        if found is None or config is None:
            if clone is not None and self._clones.lost(clone, under_way.upid):
                self._drop_image(worker, clone.promise.node)
            raise NotFound(f"Proxmox has no VM for worker {worker}.")
        return self._advanced(worker, *found, config)

    def delete(self, worker: WorkerName) -> Machine:
        naming.check_worker(worker)
        clone, cluster = self._clones.of(worker), self._api.cluster()
        found = self._known(cluster, worker)
        if found is not None:
            upid = clone.upid if clone is not None else ""
            if upid and self._task_or_none(upid)[0]:
                self._api.stop_task(upid)
                under_way = Operation(verb="delete", node=found[0], vmid=found[1], upid=upid)
                return under_way.machine(worker, Phase.STOPPING)
            config = self._ours(worker, *found)
            if config is not None:
                return self._remove(worker, *found, config)
            self._clones.forget(found[1])
        volume = making.volume_of(self._settings, self._installation, worker)
        left = [
            node
            for node in online_nodes(cluster, self._settings)
            if volume and volume in self._api.images(node, self._settings.iso_storage)
        ]
        for node in left:
            making.remove_image(self._api, (node, volume))
        self._leftovers.forget(worker)
        if found is None and not left:
            raise NotFound(f"Proxmox has no VM for worker {worker}.")
        return Machine(worker=worker, handle=str(found[1] if found else volume), phase=Phase.GONE)

    def list(self) -> Listing:
        cluster = self._api.cluster()
        complete = bool(cluster.nodes) and all(node.online for node in cluster.nodes)
        machines: dict[WorkerName, Machine] = {}
        clones = dict(self._clones.begun)
        for guest in cluster.guests:
            worker = self._worker_of(guest)
            if worker is None:
                unknown = (
                    self._clones.in_range(guest)
                    and guest.vmid not in clones
                    and guest.lock in ("clone", "create")
                )
                complete = complete and not unknown
            elif guest.status not in ("running", "stopped"):
                complete = False
            else:
                machines[worker] = naming.listed(worker, guest, self._settings.tag)
        for clone in clones.values():
            machines.setdefault(clone.worker, clone.creating)
        if complete:
            left = self._leftovers.found(cluster, online_nodes(cluster, self._settings), machines)
            machines |= {each.worker: each for each in left}
        return Listing(machines=tuple(machines[name] for name in sorted(machines)), complete=complete)

    def health(self) -> None:
        if not self._api.quorate():
            raise Unavailable(
                "The Proxmox cluster has no quorum: it accepts no changes. Start more of its nodes."
            )

    # --- capabilities

    def console(self, worker: WorkerName) -> str:
        """The log of the last task: what a guest prints, Proxmox does not keep."""
        tasks = self._tasks(worker)
        if not tasks:
            raise NotFound(f"Proxmox has no VM for worker {worker}, or the VM has no task.")
        return self._api.task_log(str(tasks[0].get("upid", "")))

    def operations(self, worker: WorkerName) -> Sequence[ProviderOperation]:
        return [operation_of(each) for each in self._tasks(worker)]

    def _tasks(self, worker: WorkerName) -> Sequence[Json]:  # of a VM that is gone none is found
        found = self._place(worker)
        return [] if found is None else self._api.tasks_of(*found)

    def reboot(self, worker: WorkerName) -> Machine:
        found = self._place(worker)
        if found is None or self._ours(worker, *found) is None:
            raise NotFound(f"Proxmox has no VM for worker {worker}.")
        on = self._api.running(*found)
        self._api.power(*found, "reset" if on else "start")
        return Machine(worker=worker, handle=str(found[1]), phase=Phase.RUNNING)

    def checks(self) -> Sequence[Check]:
        return checks_of(self._api, self._settings)

    def quotas(self) -> Sequence[Quota]:
        """The memory and the virtual CPUs of each node that may be promised to guests."""
        return quotas_of(self._api.cluster(), self._clones.promises(), self._settings)

    def networks(self) -> Sequence[Network]:
        """The bridges of each node that the token may use."""
        nodes = online_nodes(self._api.cluster(), self._settings)
        return [each for node in nodes for each in self._api.bridges(node)]

    def need(self, spec: WorkerSpec) -> Need:
        return need_of(spec, options_of(spec), self._settings)

    def close(self) -> None:
        self._client.close()

    # --- creation

    def _begin(
        self, clone: Clone, place: Place, intent: Intent, image: bytes, options: Mapping[str, str]
    ) -> Machine:
        name = naming.vm_name(self._installation, clone.worker)
        form: dict[str, str | int] = {
            "newid": clone.vmid,
            "name": name,
            "description": intent.note,
            "full": 1 if self._settings.clone == "full" else 0,
        }
        if self._settings.clone == "full" and self._settings.storage:
            form["storage"] = self._settings.storage
        if place.node != place.template_node:
            form["target"] = place.node
        if "pool" in options:
            form["pool"] = options["pool"]
        iso, storing = naming.iso_name(self._installation, clone.worker), ""
        try:
            if image:
                storing = self._api.upload(place.node, self._settings.iso_storage, iso, image)
            upid = self._api.clone(place.template_node, place.template, form)
        except OutcomeUnknown:
            self._clones.started(clone, "")  # the promise stays: it may be there
            raise
        except DriverError as error:
            self._clones.forget(clone.vmid)
            if not isinstance(error, AlreadyExists):
                self._drop_image(clone.worker, place.node, storing)
            if isinstance(error, NotFound):
                raise Unavailable(str(error)) from error
            raise
        return self._clones.started(clone, upid).creating

    def _running_step(self, worker: WorkerName, under_way: Operation) -> Step | None:
        """The step whose task runs; None: it has ended well. Raises what it failed with."""
        what = under_way.upid.split(":")[5] if under_way.upid.count(":") >= 7 else ""
        step = {"qmclone": Step.CREATE, "qmstart": Step.START}.get(what, Step.CONFIGURE)
        try:
            running, end = self._api.task(under_way.upid)
        except NotFound:
            return None  # its log is gone: the VM itself says how far it is
        if running:
            return step
        if succeeded(end) or not end:
            return None
        if step is Step.START and self._api.running(under_way.node, under_way.vmid):
            return None
        error = task_error(f"step {step} of VM {under_way.vmid}", end)
        if step is Step.CREATE:
            if self._clones.ended(worker, under_way.vmid, under_way.upid):
                self._drop_image(worker, under_way.node)
            if isinstance(error, (Unavailable, AlreadyExists, NotFound)):
                raise NotFound(f"{error} Herder clones it again.")
        elif isinstance(error, (Unavailable, NotFound)):
            return None  # begun again
        raise error

    def _advanced(self, worker: WorkerName, node: str, vmid: int, config: Json) -> Machine:
        intent = intent_in(str(config.get("description", "")))
        seen = making.advance(self._api, self._settings, node, vmid, config, intent)
        if seen.configured:
            self._clones.forget(vmid)
        under_way = Operation(verb="create", node=node, vmid=vmid, upid=seen.upid)
        machine = under_way.machine(worker, seen.phase, seen.step)
        if seen.phase is not Phase.CREATING:
            machine = replace(machine, operation="")
        return replace(machine, detail=seen.detail, addresses=seen.addresses)

    # --- removal

    def _ending(self, worker: WorkerName, under_way: Operation) -> Machine:
        if under_way.upid:
            with_task, end = self._task_or_none(under_way.upid)
            if with_task:
                return under_way.machine(worker, Phase.STOPPING)
            if end and not succeeded(end) and "does not exist" not in end and "interrupted" not in end:
                error = task_error(f"removing VM {under_way.vmid}", end)
                if not isinstance(error, Unavailable):
                    raise error
        return self.delete(worker)

    def _task_or_none(self, upid: str) -> tuple[bool, str]:
        try:
            return self._api.task(upid)
        except NotFound:
            return False, ""

    def _remove(self, worker: WorkerName, node: str, vmid: int, config: Json) -> Machine:
        intent = intent_in(str(config.get("description", "")))
        iso = (node, making.volume_of(self._settings, self._installation, worker))
        if intent is not None and intent.worker == worker:
            iso = (intent.iso_node, intent.iso)
        upid = making.remove(self._api, self._settings, node, vmid, config, iso)
        under_way = Operation(verb="delete", node=node, vmid=vmid, upid=upid)
        return under_way.machine(worker, Phase.STOPPING)

    # --- whose a VM is

    def _known(
        self, cluster: Cluster, worker: WorkerName, *, listed_only: bool = False
    ) -> tuple[str, int] | None:
        """Node and VMID. Raises Unavailable when nobody can say."""
        for guest in cluster.guests:
            if self._worker_of(guest) == worker:
                if guest.status not in ("running", "stopped"):
                    raise Unavailable(
                        f"VM {guest.vmid} of worker {worker} is on node {guest.node}, which is offline or does not answer. Check the node."
                    )
                return guest.node, guest.vmid
        clone = None if listed_only else self._clones.of(worker)
        if clone is not None:
            return clone.promise.node, clone.vmid
        self._clones.check_nameless(cluster, worker)
        return None

    def _ours(self, worker: WorkerName, node: str, vmid: int) -> Json | None:
        """The configuration of the VM, when it was made for this worker; None: it is gone, or somebody else's."""
        try:
            config = self._api.config(node, vmid)
        except NotFound:
            return None
        if making.being_made(config) and not config.get("name"):
            return config if vmid in self._clones.begun else None
        guest = Guest(
            vmid=vmid,
            node=node,
            type="qemu",
            name=str(config.get("name", "")),
            template=int(config.get("template") or 0),
            tags=str(config.get("tags", "")),
        )
        return config if self._worker_of(guest) == worker else None

    def _worker_of(self, guest: Guest) -> WorkerName | None:
        settings = self._settings
        return naming.worker_of(
            guest, settings.tag, self._installation, settings.vmid_first, settings.vmid_last
        )

    def _seen(self, worker: WorkerName, node: str, vmid: int) -> Machine:
        clone = self._clones.begun.get(vmid)
        if clone is not None:
            return clone.creating
        config = self._ours(worker, node, vmid)
        if config is None:
            raise Unavailable(f"VM {vmid} of worker {worker} is being removed.")
        return self._advanced(worker, node, vmid, config)

    def _place(self, worker: WorkerName) -> tuple[str, int] | None:
        naming.check_worker(worker)
        return self._known(self._api.cluster(), worker)

    def _drop_image(self, worker: WorkerName, node: str, storing: str = "") -> None:
        """Of a clone that was not made; `storing`: the task that may still store it. One that stays is a leftover of the listing."""
        with suppress(DriverError):
            if storing:
                self._api.stop_task(storing)
            volume = making.volume_of(self._settings, self._installation, worker)
            making.remove_image(self._api, (node, volume))

    def _clash(self, cluster: Cluster, worker: WorkerName, vmid: int) -> str:
        """The node on which a VM that the listing did not show is this worker's; empty: it is somebody else's."""
        for node in online_nodes(cluster, self._settings):
            try:
                config = self._api.config(node, vmid)
            except NotFound:
                continue
            if making.being_made(config) and not config.get("name"):
                raise Unavailable(  # of a call whose answer was lost, perhaps
                    f"VM {vmid} is being cloned and has no name yet. Herder looks at it again when it has."
                )
            return node if self._ours(worker, node, vmid) is not None else ""
        return ""
