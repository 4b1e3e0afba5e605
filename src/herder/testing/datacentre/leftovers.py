"""What is in a datacentre that was not there at the beginning. Made by `datacentre` when it is whole; read by tests and by the demo."""

from herder.testing.kubernetes import Cluster
from herder.testing.kubernetes.objects.resources import LEASES, NODES, SECRETS, Resource
from herder.testing.proxmox.state import State
from herder.testing.talos import Machines


class Leftovers:
    def __init__(self, proxmox: State, talos: Machines, kubernetes: Cluster) -> None:
        self._proxmox, self._talos, self._kubernetes = proxmox, talos, kubernetes
        self._usual = self._all()

    def found(self) -> list[str]:
        return sorted(self._all() - self._usual)

    def _all(self) -> set[str]:
        return {*self._of_proxmox(), *self._of_talos(), *self._of_kubernetes()}

    def _of_proxmox(self) -> list[str]:
        state = self._proxmox
        found = [f"VM {vm.vmid} ({vm.name}) is on host {vm.node}." for vm in state.vms.values()]
        found += [f"VM {vm.vmid} has the lock {vm.lock}." for vm in state.vms.values() if vm.lock]
        for (host, name), storage in state.storages.items():
            where = f"storage {name} of host {host}" if host else f"storage {name}"
            found += [f"Volume {volume} is in {where}." for volume in storage.volumes]
            if storage.free_at_ms > state.now_ms:
                found.append(f"The lock of {where} is held.")
        running = (task for task in state.tasks.values() if not task.exit_status)
        found += [f"Task {task.kind} of VM {task.of} runs on host {task.node}." for task in running]
        return found

    def _of_talos(self) -> list[str]:
        return [f"Machine {name} has a disk." for name in self._talos.by_name]

    def _of_kubernetes(self) -> list[str]:
        found = [f"Node {name} exists." for _, name in self._keys(NODES)]
        found += [f"Lease {name} of a node exists." for space, name in self._keys(LEASES) if space]
        found += [f"Secret {space}/{name} exists." for space, name in self._keys(SECRETS)]
        return found

    def _keys(self, resource: Resource) -> list[tuple[str, str]]:
        return [each.key for each in self._kubernetes.store.all(resource)]
