"""Cloning: what is refused at once, what the task does, and the lock of a storage that parallel clones wait for."""

from collections.abc import Mapping

from herder.testing.proxmox.answers import ApiError, TaskFailed, bad_parameters
from herder.testing.proxmox.parts import Storage, Vm
from herder.testing.proxmox.state import State, vm_disks


def clone(state: State, source: Vm, asked: Mapping[str, str], user: str) -> str:
    vmid = int(asked["newid"])
    full = asked.get("full", "0" if source.template else "1") in ("1", "true", "True")
    target = asked.get("target", source.node)
    _refuse(state, source, asked, vmid, full=full)
    state.node(target)
    volume, size = vm_disks(source)[0]
    storage = state.storage(target, asked.get("storage") or volume.partition(":")[0])
    if target != source.node and not storage.shared:
        raise ApiError(500, f"can't clone to non-shared storage '{storage.name}'")
    made = Vm(vmid=vmid, node=target, config={"lock": "clone"}, pool=asked.get("pool", ""))
    state.vms[vmid] = made
    name = f"vm-{vmid}-disk-0"
    takes_ms, waits = _time(state, storage, full=full)

    def work() -> None:
        if waits:
            raise TaskFailed(f"clone failed: {_lock_text(storage)}")
        if storage.free_bytes < (size if full else 0):
            raise TaskFailed("clone failed: no space left on device")
        storage.volumes[name], storage.owners[name] = size if full else 0, vmid
        _become(made, source, asked, f"{storage.name}:{name}")
        if not full:
            made.base_of = source.vmid

    def undo() -> None:
        storage.volumes.pop(name, None)
        if state.vms.get(vmid) is made:
            del state.vms[vmid]

    return state.begin(source.node, "qmclone", str(source.vmid), user, takes_ms, work, undo)


def _refuse(state: State, source: Vm, asked: Mapping[str, str], vmid: int, *, full: bool) -> None:
    if source.lock:
        raise ApiError(500, f"VM is locked ({source.lock})")
    if not full and (asked.get("storage") or asked.get("format")):
        key = "storage" if asked.get("storage") else "format"
        raise bad_parameters({key: "parameter 'storage' not allowed for linked clones"})
    there = state.vms.get(vmid)
    if there is not None and there.lock == "clone":
        raise ApiError(500, f"unable to create VM {vmid}: config file already exists")
    if there is not None:
        raise ApiError(500, f"unable to create VM {vmid} - VM {vmid} already exists on node '{there.node}'")
    if (pool := asked.get("pool", "")) and pool not in state.pools:
        raise ApiError(500, f"pool '{pool}' does not exist")


def _time(state: State, storage: Storage, *, full: bool) -> tuple[int, bool]:
    """How long the task takes, and whether it ends because the lock is not to be had."""
    times = state.times
    if not full:
        return times.linked_clone_ms, False
    waits_ms = max(0, storage.free_at_ms - state.now_ms)
    if waits_ms > times.lock_wait_ms:
        return times.lock_wait_ms, True
    storage.free_at_ms = state.now_ms + waits_ms + times.allocate_ms
    return waits_ms + times.allocate_ms + times.clone_ms, False


def _lock_text(storage: Storage) -> str:
    if storage.shared:
        return f"cfs-lock 'storage-{storage.name}' error: got lock request timeout"
    return f"can't lock file '/var/lock/pve-manager/pve-storage-{storage.name}' - got timeout"


def _become(made: Vm, source: Vm, asked: Mapping[str, str], volume: str) -> None:
    config = {key: value for key, value in source.config.items() if key not in ("template", "protection")}
    disk = next(key for key, value in config.items() if value.startswith(vm_disks(source)[0][0]))
    config[disk] = f"{volume},{config[disk].partition(',')[2]}"
    config["name"] = asked.get("name") or f"Copy-of-VM-{source.name}"
    if "description" in asked:
        config["description"] = asked["description"]
    made.config = config
