"""A Proxmox VE cluster, Talos machines and a Kubernetes cluster in one object, on a time that is given: what happens in one has its
consequence in the others.

`step` does what is due in all three. Nothing here has a thread, a socket or a clock: `running` gives it addresses, a simulated world calls
`step`. Faults of a part are that part's own (`proxmox.faults`, `talos.faults`, `kubernetes.faults`).
"""

from collections.abc import Callable

from herder.remote.proxmox.machines.rights import NEEDED, OPTIONAL
from herder.remote.talos.errors import Refused
from herder.testing.datacentre.boot_images import user_data
from herder.testing.datacentre.leftovers import Leftovers
from herder.testing.datacentre.settings import DatacentreSettings
from herder.testing.datacentre.sickness import Sickness, booted_clean, fall_sick
from herder.testing.kubernetes import Cluster
from herder.testing.kubernetes.objects.resources import NODES
from herder.testing.proxmox import TOKEN_SECRET, Proxmox, Token, Vm, small_cluster
from herder.testing.proxmox.state import vm_disks
from herder.testing.talos import Hooks, Machine, Machines
from herder.testing.talos.authority import Authority

CONTROL_PLANE = "talos-cp-1"
#: NodeRestriction refuses these, and Talos then sets no label at all.
_RESTRICTED = ("node-role.kubernetes.io/", "node-restriction.kubernetes.io/")
_MIB = 2**20


def _nothing() -> None:
    return


def _privileges() -> frozenset[str]:
    return frozenset(each for found in (NEEDED, OPTIONAL) for group in found.values() for each in group)


class Datacentre:
    def __init__(self, settings: DatacentreSettings | None = None, now_ms: int = 0) -> None:
        self.settings = found = settings or DatacentreSettings()
        self._stepped_ms = now_ms
        self.time: Callable[[], int] = lambda: self._stepped_ms
        """The time of what happens between two steps."""
        self.changed: Callable[[], None] = _nothing
        """Called when a part may have something to do at another time than it said."""
        inventory = small_cluster(found.hosts, found.host_memory_mib, found.host_disk_gib)
        inventory.tokens[found.token_id] = Token(secret=TOKEN_SECRET, grants={"/": _privileges()})
        self.proxmox = Proxmox(inventory, found.proxmox_times, now_ms)
        self.proxmox.state.hooks.append(self._vm_changed)
        self.talos = Machines(
            found.talos_times,
            Hooks(
                kubelet_up=self._kubelet_up, kubelet_down=self._kubelet_down, powered_off=self._powered_off
            ),
        )
        self.kubernetes = Cluster(found.kubernetes, now_ms)
        self.authority = Authority(now_ms)
        self._vm_of: dict[str, Vm] = {}
        self._add_control_plane(now_ms)
        self._leftovers = Leftovers(self.proxmox.state, self.talos, self.kubernetes)

    def _add_control_plane(self, now_ms: int) -> None:
        self.control_plane_address = f"{self.settings.network}.255.1"
        self.talos.add_control_plane(CONTROL_PLANE, self.control_plane_address)
        role = "node-role.kubernetes.io/control-plane"
        self.kubernetes.kubelets.boot(
            CONTROL_PLANE,
            now_ms,
            labels={role: ""},
            taints=[{"key": role, "effect": "NoSchedule"}],
            addresses=(self.control_plane_address,),
            ready_after_ms=0,
        )
        self.kubernetes.step(now_ms)

    # --- time

    def step(self, now_ms: int) -> int | None:
        """Do what is due. Answers when to call it again; None: not at all."""
        self._stepped_ms = now_ms
        for part in (self.proxmox, self.talos, self.kubernetes, self.talos):
            part.step(now_ms)
        times = [part.step(now_ms) for part in (self.proxmox, self.talos, self.kubernetes)]
        return min((each for each in times if each is not None), default=None)

    # --- what a person asks of it

    def machine_of(self, node: str) -> Machine:
        """The Talos machine of this node. Raises KeyError."""
        for machine in self.talos.by_name.values():
            if machine.hostname == node:
                return machine
        raise KeyError(node)

    def vm_of(self, node: str) -> Vm:
        """Raises KeyError."""
        return self._vm_of[self.machine_of(node).name]

    def sicken(self, node: str, sickness: Sickness) -> None:
        """Raises KeyError when no machine with such a node runs."""
        machine = self.machine_of(node)
        fall_sick(sickness, machine, self.kubernetes.kubelets.machines[node], self.time())
        self._report(node)

    def left_over(self) -> list[str]:
        """What was not there at the beginning, each in a sentence: VMs, volumes, images, locks and tasks of Proxmox, machines of Talos, nodes,
        leases and secrets of Kubernetes."""
        return self._leftovers.found()

    # --- Proxmox

    def _vm_changed(self, what: str, vm: Vm) -> None:
        name = f"vm-{vm.vmid}"
        now_ms = self.proxmox.state.now_ms
        machine = self.talos.by_name.get(name)
        if what == "started":
            self._start(name, machine or self._add(name, vm), vm, now_ms)
        elif machine is not None and what == "stopped":
            machine.power_off()
        elif machine is not None and what == "rebooted":
            machine.power_off()
            machine.power_on(now_ms)
        elif machine is not None and what == "deleted":
            self._delete(machine)
        self.changed()

    def _add(self, name: str, vm: Vm) -> Machine:
        address = f"{self.settings.network}.{vm.vmid // 250 % 250}.{vm.vmid % 250 + 1}"
        vm.addresses = (address,)
        self._vm_of[name] = vm
        return self.talos.add(name, address)

    def _start(self, name: str, machine: Machine, vm: Vm, now_ms: int) -> None:
        image = self.proxmox.boot_image(vm)
        try:
            machine.power_on(now_ms, user_data(image) if image else "")
        except Refused:  # no configuration of Talos: it waits for one
            machine.power_on(now_ms)

    def _delete(self, machine: Machine) -> None:
        node = machine.hostname
        self.talos.remove(machine.name)
        self._vm_of.pop(machine.name, None)
        if node in self.kubernetes.kubelets.machines:
            self.kubernetes.kubelets.remove(node)

    def _powered_off(self, machine: Machine) -> None:
        """By itself, after Shutdown."""
        vm = self._vm_of.get(machine.name)
        if vm is not None:
            vm.running = False
        self.changed()

    # --- nodes

    def _kubelet_up(self, machine: Machine) -> None:
        now_ms = self._time_of_kubernetes()
        name, kubelets = machine.hostname, self.kubernetes.kubelets
        known = kubelets.machines.get(name)
        if known is None or self.kubernetes.store.get(NODES, ("", name)) is None:
            self._register(machine, now_ms)
        elif not known.alive:
            kubelets.revive(name, now_ms)
        else:
            kubelets.connect(name)
        self.changed()

    def _kubelet_down(self, machine: Machine) -> None:
        self._time_of_kubernetes()
        name, kubelets = machine.hostname, self.kubernetes.kubelets
        known = kubelets.machines.get(name)
        if known is not None and machine.listens == "api" and machine.powered:
            kubelets.cut_off(name)  # its containers go on
        elif known is not None:
            booted_clean(known)
            kubelets.kill(name)
        self.changed()

    def _register(self, machine: Machine, now_ms: int) -> None:
        vm = self._vm_of[machine.name]
        labels = machine.node_labels
        if any(key.startswith(_RESTRICTED) for key in labels):
            labels = {}
        self.kubernetes.kubelets.boot(
            machine.hostname,
            now_ms,
            labels={"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", **labels},
            taints=[dict(each) for each in machine.node_taints],
            capacity=self._allocatable(vm),
            addresses=machine.addresses,
            provider_id=f"proxmox://testing/{vm.vmid}",
        )

    def _allocatable(self, vm: Vm) -> dict[str, str]:
        found = self.settings
        disk_mib = sum(size for _, size in vm_disks(vm)) // _MIB
        return {
            "cpu": f"{vm.cores * 1000 - found.system_cpu_milli}m",
            "memory": f"{vm.memory_mib - found.system_memory_mib}Mi",
            "ephemeral-storage": f"{disk_mib}Mi",
            "pods": "110",
        }

    def _report(self, node: str) -> None:
        """Its kubelet reports at once, if it can."""
        self._time_of_kubernetes()
        machine = self.kubernetes.kubelets.machines[node]
        self.kubernetes.kubelets.set_ready(node, ready=machine.ready)
        self.changed()

    def _time_of_kubernetes(self) -> int:
        now_ms = self.time()
        self.kubernetes.moment.now_ms = max(now_ms, self.kubernetes.moment.now_ms)
        return now_ms
