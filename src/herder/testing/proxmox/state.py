"""The state of a cluster on a time that is given: its parts by name, and its tasks, which take time and end with an exit status."""

import heapq
from collections.abc import Callable

from herder.testing.proxmox.answers import ApiError, TaskFailed
from herder.testing.proxmox.faults import Faults
from herder.testing.proxmox.parts import Node, Storage, Task, Vm
from herder.testing.proxmox.settings import Inventory, ProxmoxTimes

Hook = Callable[[str, Vm], None]
DISK_BYTES = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class State:
    def __init__(self, inventory: Inventory, times: ProxmoxTimes, now_ms: int) -> None:
        self.times, self.now_ms = times, now_ms
        self.nodes: dict[str, Node] = {each.name: each for each in inventory.nodes}
        self.storages: dict[tuple[str, str], Storage] = {
            (each.node, each.name): each for each in inventory.storages
        }
        self.vms: dict[int, Vm] = {}
        self.tokens = dict(inventory.tokens)
        self.pools: dict[str, str] = {}
        self.tasks: dict[str, Task] = {}
        self.faults = Faults()
        self.hooks: list[Hook] = []
        """Called with `started`, `stopped`, `deleted`, `rebooted` or `migrated`, and the VM."""
        self._due: list[tuple[int, int, Task]] = []
        self._number = 0
        for vm in inventory.vms:
            self.add_vm(vm)

    def add_vm(self, vm: Vm) -> None:
        """One that exists from the beginning, with its disks."""
        self.vms[vm.vmid] = vm
        for volume, size in vm_disks(vm):
            storage, _, name = volume.partition(":")
            found = self.storage(vm.node, storage)
            found.volumes[name], found.owners[name] = size, vm.vmid

    # --- parts

    def node(self, name: str) -> Node:
        found = self.nodes.get(name)
        if found is None:
            raise ApiError(500, f"hostname lookup '{name}' failed - failed to get address info for: {name}")
        if not found.online:
            raise ApiError(595, "No route to host")
        return found

    def storage(self, node: str, name: str) -> Storage:
        found = self.storages.get((node, name)) or self.storages.get(("", name))
        if found is None:
            raise ApiError(500, f"storage '{name}' does not exist")
        return found

    def vm(self, node: str, vmid: str | int) -> Vm:
        found = self.vms.get(int(vmid))
        if found is None or found.node != node:
            raise ApiError(500, f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
        return found

    def tell(self, what: str, vm: Vm) -> None:
        for hook in self.hooks:
            hook(what, vm)

    # --- tasks

    def begin(
        self,
        node: str,
        kind: str,
        of: str,
        user: str,
        takes_ms: int,
        work: Callable[[], None],
        undo: Callable[[], None] | None = None,
    ) -> str:
        """The UPID. `work` is done when the task ends; it may raise TaskFailed, and `undo` then clears up."""
        self._number += 1
        rule = self.faults.for_task(kind)
        if rule is not None:
            takes_ms += rule.delay_ms
            if rule.text:
                work = _failing(rule.text)
        begin_s = self.now_ms // 1000
        upid = f"UPID:{node}:{4096 + self._number:08X}:{self._number:08X}:{begin_s:08X}:{kind}:{of}:{user}:"
        task = Task(
            upid=upid, node=node, kind=kind, of=of, user=user,
            started_ms=self.now_ms, ends_ms=self.now_ms + takes_ms, work=work, undo=undo,
        )  # fmt: skip
        self.tasks[upid] = task
        heapq.heappush(self._due, (task.ends_ms, self._number, task))
        return upid

    def step(self, now_ms: int) -> int | None:
        """End the tasks that are due, each at its time. Answers when the next one ends."""
        while self._due and self._due[0][0] <= now_ms:
            ends_ms, _, task = heapq.heappop(self._due)
            self.now_ms = max(self.now_ms, ends_ms)
            if not task.exit_status:
                self._end(task)
        self.now_ms = max(self.now_ms, now_ms)
        return self._due[0][0] if self._due else None

    def stop_task(self, task: Task) -> None:
        if not task.exit_status:
            self._close(task, "unexpected status")

    def _end(self, task: Task) -> None:
        try:
            task.work()
        except (TaskFailed, ApiError) as error:
            self._close(task, str(error))
        else:
            task.exit_status, task.ended_ms = "OK", self.now_ms

    def _close(self, task: Task, text: str) -> None:
        task.exit_status, task.ended_ms = text, self.now_ms
        if task.undo is not None:
            task.undo()


def _failing(text: str) -> Callable[[], None]:
    def fail() -> None:
        raise TaskFailed(text)

    return fail


def vm_disks(vm: Vm) -> list[tuple[str, int]]:
    """Volume and bytes of each disk, without CD-ROMs."""
    found = []
    for key, value in vm.config.items():
        volume, _, rest = value.partition(",")
        if (
            key.rstrip("0123456789") in ("scsi", "virtio", "sata", "ide", "efidisk")
            and "media=cdrom" not in rest
        ):
            found.append((volume, size_of(rest)))
    return found


def size_of(options: str) -> int:
    """Of `size=20G,ssd=1`."""
    size = dict(each.partition("=")[::2] for each in options.split(",") if each).get("size", "1G")
    return bytes_of(size)


def bytes_of(size: str) -> int:
    if size and size[-1] in DISK_BYTES:
        return int(float(size[:-1]) * DISK_BYTES[size[-1]])
    return int(size)
