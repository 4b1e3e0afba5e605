"""Verbs on one machine: configuration, power, size of its disk, removal, migration, and its guest agent."""

import hashlib
from collections.abc import Callable, Mapping

from herder.testing.proxmox.answers import ApiError, Json, TaskFailed, bad_parameters
from herder.testing.proxmox.parts import Vm
from herder.testing.proxmox.state import State, bytes_of, size_of

_NOT_CONFIG = frozenset({"delete", "digest", "revert", "force", "skiplock", "background_delay"})


def _unlocked(vm: Vm) -> None:
    if vm.lock:
        raise ApiError(500, f"VM is locked ({vm.lock})")


def digest(vm: Vm) -> str:
    text = "\n".join(f"{key}: {value}" for key, value in sorted(vm.config.items()))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def configure(state: State, vm: Vm, asked: Mapping[str, str]) -> None:
    _unlocked(vm)
    if asked.get("digest") not in (None, digest(vm)):
        raise ApiError(500, "detected modified configuration - file changed by other user? Try again.")
    for key, value in asked.items():
        if key.startswith("hostpci") and "mapping=" not in value:
            raise ApiError(500, f"only root can set '{key}' config for non-mapped devices")
        if "media=cdrom" in value and not value.startswith(("none", "cdrom")):
            storage, _, name = value.partition(",")[0].partition(":")
            if name.removeprefix("iso/") not in state.storage(vm.node, storage).files:
                raise ApiError(500, f"volume '{storage}:{name}' does not exist")
    for key in filter(None, asked.get("delete", "").replace(";", ",").split(",")):
        vm.config.pop(key.strip(), None)
    vm.config |= {key: value for key, value in asked.items() if key not in _NOT_CONFIG}


def resize(state: State, vm: Vm, asked: Mapping[str, str], user: str) -> str:
    _unlocked(vm)
    disk, size = asked["disk"], asked["size"]
    if disk not in vm.config:
        raise ApiError(500, f"disk '{disk}' does not exist")
    volume, _, options = vm.config[disk].partition(",")
    before = size_of(options)
    wanted = before + bytes_of(size[1:]) if size.startswith("+") else bytes_of(size)
    if wanted < before:
        raise bad_parameters({"size": "shrinking disks is not supported"})
    name, _, volume_name = volume.partition(":")
    storage = state.storage(vm.node, name)

    def work() -> None:
        if storage.free_bytes < wanted - before:
            raise TaskFailed("no space left on device")
        storage.volumes[volume_name] = wanted
        vm.config[disk] = f"{volume},size={wanted // 2**30}G"

    return state.begin(vm.node, "resize", str(vm.vmid), user, state.times.resize_ms, work)


def _exists(state: State, vm: Vm) -> None:
    """It may have been removed since its task began."""
    if state.vms.get(vm.vmid) is not vm:
        raise TaskFailed(f"Configuration file 'nodes/{vm.node}/qemu-server/{vm.vmid}.conf' does not exist")


def start(state: State, vm: Vm, _asked: Mapping[str, str], user: str) -> str:
    _unlocked(vm)

    def work() -> None:
        _exists(state, vm)
        if vm.template:
            raise TaskFailed("you can't start a vm if it's a template")
        if vm.running:
            raise TaskFailed(f"VM {vm.vmid} already running")
        node = state.nodes[vm.node]
        used = sum(each.memory_mib for each in state.vms.values() if each.running and each.node == vm.node)
        if used + vm.memory_mib > node.memory_mib:
            raise TaskFailed("start failed: QEMU exited with code 1: cannot allocate memory")
        vm.running, vm.started_ms = True, state.now_ms
        state.tell("started", vm)

    return state.begin(vm.node, "qmstart", str(vm.vmid), user, state.times.start_ms, work)


def _ending(state: State, vm: Vm) -> Callable[[], None]:
    def work() -> None:
        if vm.running:
            vm.running = False
            state.tell("stopped", vm)

    return work


def stop(state: State, vm: Vm, _asked: Mapping[str, str], user: str) -> str:
    _unlocked(vm)
    if not vm.ha_state:
        return state.begin(vm.node, "qmstop", str(vm.vmid), user, state.times.stop_ms, _ending(state, vm))

    def ask() -> None:
        """The task only asks: the manager of the cluster stops it later."""
        vm.ha_state = "stopped"
        state.begin(vm.node, "qmstop", str(vm.vmid), "root@pam", state.times.ha_ms, _ending(state, vm))

    return state.begin(vm.node, "hastop", str(vm.vmid), user, 0, ask)


def shutdown(state: State, vm: Vm, asked: Mapping[str, str], user: str) -> str:
    _unlocked(vm)
    timeout_ms = int(asked.get("timeout", state.times.shutdown_timeout_ms // 1000)) * 1000
    if not vm.running:
        takes_ms, work = 0, _failing("VM not running")
    elif vm.answers_shutdown:
        takes_ms, work = min(state.times.shutdown_ms, timeout_ms), _ending(state, vm)
    elif asked.get("forceStop", "0") == "1":
        takes_ms, work = timeout_ms, _ending(state, vm)
    else:
        takes_ms, work = timeout_ms, _failing("VM quit/powerdown failed - got timeout")
    return state.begin(vm.node, "qmshutdown", str(vm.vmid), user, takes_ms, work)


def reboot(state: State, vm: Vm, _asked: Mapping[str, str], user: str) -> str:
    return _again(state, vm, user, "qmreboot", state.times.shutdown_ms)


def reset(state: State, vm: Vm, _asked: Mapping[str, str], user: str) -> str:
    return _again(state, vm, user, "qmreset", 0)


def _again(state: State, vm: Vm, user: str, kind: str, takes_ms: int) -> str:
    _unlocked(vm)
    if not vm.running:
        raise ApiError(500, f"VM {vm.vmid} not running")

    def work() -> None:
        _exists(state, vm)
        vm.started_ms = state.now_ms
        state.tell("rebooted", vm)

    return state.begin(vm.node, kind, str(vm.vmid), user, takes_ms, work)


def destroy(state: State, vm: Vm, asked: Mapping[str, str], user: str) -> str:
    _unlocked(vm)
    if vm.config.get("protection") == "1":
        raise ApiError(500, f"can't remove VM {vm.vmid} - protection mode enabled")
    if vm.running:
        raise ApiError(500, f"VM {vm.vmid} is running - destroy failed")
    if vm.ha_state and asked.get("purge", "0") != "1":
        raise ApiError(
            500, f"unable to remove VM {vm.vmid} - used in HA resources and purge parameter not set."
        )

    def work() -> None:
        if any(each.base_of == vm.vmid for each in state.vms.values()):
            raise TaskFailed(f"base volume 'base-{vm.vmid}-disk-0' is still in use by linked clones")
        for storage in state.storages.values():
            for name in [name for name, owner in storage.owners.items() if owner == vm.vmid]:
                del storage.owners[name], storage.volumes[name]
        state.vms.pop(vm.vmid, None)
        state.tell("deleted", vm)

    return state.begin(vm.node, "qmdestroy", str(vm.vmid), user, state.times.delete_ms, work)


def migrate(state: State, vm: Vm, asked: Mapping[str, str], user: str) -> str:
    _unlocked(vm)
    target = asked["target"]
    state.node(target)
    if vm.running and asked.get("online", "0") != "1":
        raise ApiError(500, "can't migrate running VM without --online")
    return state.begin(
        vm.node, "qmigrate", str(vm.vmid), user, state.times.migrate_ms, lambda: move(state, vm, target)
    )


def move(state: State, vm: Vm, target: str) -> None:
    """With its local disks."""
    for (node, name), storage in list(state.storages.items()):
        if node != vm.node:
            continue
        for volume in [volume for volume, owner in storage.owners.items() if owner == vm.vmid]:
            there = state.storage(target, name)
            there.volumes[volume], there.owners[volume] = (
                storage.volumes.pop(volume),
                storage.owners.pop(volume),
            )
    vm.node = target
    state.tell("migrated", vm)


def interfaces(state: State, vm: Vm) -> Json:
    if not vm.running:
        raise ApiError(500, f"VM {vm.vmid} is not running")
    after_ms = state.times.agent_after_ms if vm.agent_after_ms is None else vm.agent_after_ms
    enabled = vm.config.get("agent", "0").startswith(("1", "enabled=1"))
    if not enabled:
        raise ApiError(500, "No QEMU guest agent configured")
    if state.now_ms < vm.started_ms + after_ms:
        raise ApiError(500, "QEMU guest agent is not running")
    loop = {
        "name": "lo",
        "ip-addresses": [{"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8}],
    }
    addresses = vm.addresses or (f"10.20.{vm.vmid // 250 % 250}.{vm.vmid % 250 + 1}",)
    card: Json = {"name": "eth0", "hardware-address": _mac(vm)}
    card["ip-addresses"] = [
        {"ip-address": each, "ip-address-type": "ipv6" if ":" in each else "ipv4", "prefix": 24}
        for each in addresses
    ]
    return {"result": [loop, card]}


def _mac(vm: Vm) -> str:
    return vm.config.get("net0", "").partition(",")[0].partition("=")[2].lower() or "bc:24:11:00:00:00"


def _failing(text: str) -> Callable[[], None]:
    def fail() -> None:
        raise TaskFailed(text)

    return fail


def privilege_of(key: str) -> str:
    """That a change of this part of the configuration needs."""
    plain = key.rstrip("0123456789")
    return f"VM.Config.{_PRIVILEGES.get(plain, 'Options')}"


_PRIVILEGES = {
    "cores": "CPU",
    "sockets": "CPU",
    "cpu": "CPU",
    "memory": "Memory",
    "balloon": "Memory",
    "net": "Network",
    "ipconfig": "Cloudinit",
    "cicustom": "Cloudinit",
    "scsi": "Disk",
    "virtio": "Disk",
    "sata": "Disk",
    "ide": "CDROM",
    "hostpci": "HWType",
}
