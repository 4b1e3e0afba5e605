"""What the API says of the cluster, its nodes, storages, machines and tasks."""

from collections.abc import Mapping

from herder.testing.proxmox.answers import ApiError, Json
from herder.testing.proxmox.machines import digest
from herder.testing.proxmox.parts import Node, Storage, Task, Vm
from herder.testing.proxmox.state import State, vm_disks


def resources(state: State, kind: str) -> list[Json]:
    found: list[Json] = []
    if kind in ("", "vm"):
        found += [vm_resource(state, vm) for vm in state.vms.values()]
    if kind in ("", "node"):
        found += [
            {"id": f"node/{node.name}", "type": "node", **_node(state, node)} for node in state.nodes.values()
        ]
    if kind in ("", "storage"):
        found += [
            _storage_resource(storage, node)
            for storage in state.storages.values()
            for node in ([storage.node] if storage.node else state.nodes)
        ]
    if kind in ("", "pool"):
        found += [{"id": f"/pool/{name}", "type": "pool", "pool": name} for name in state.pools]
    return found


def vm_resource(state: State, vm: Vm) -> Json:
    found = {"id": f"qemu/{vm.vmid}", "type": "qemu", "node": vm.node, **vm_row(state, vm)}
    found["maxcpu"] = found.pop("cpus")
    if not state.nodes[vm.node].online:
        found["status"] = "unknown"
    if vm.pool:
        found["pool"] = vm.pool
    if vm.ha_state:
        found["hastate"] = vm.ha_state
    return found


def vm_row(state: State, vm: Vm) -> Json:
    found: Json = {
        "vmid": vm.vmid,
        "name": vm.name,
        "status": "running" if vm.running else "stopped",
        "cpus": vm.cores,
        "maxmem": vm.memory_mib * 2**20,
        "mem": vm.memory_mib * 2**19 if vm.running else 0,
        "maxdisk": sum(size for _, size in vm_disks(vm)),
        "uptime": (state.now_ms - vm.started_ms) // 1000 if vm.running else 0,
        "template": int(vm.template),
    }
    if vm.lock:
        found["lock"] = vm.lock
    if tags := vm.config.get("tags"):
        found["tags"] = tags
    return found


def current(state: State, vm: Vm) -> Json:
    found = vm_row(state, vm) | {"ha": {"managed": int(bool(vm.ha_state))}, "qmpstatus": "stopped"}
    if vm.running:
        found["qmpstatus"] = "running"
    return found


def config(vm: Vm) -> Json:
    numbers = ("cores", "sockets", "template", "protection")
    found: Json = {key: int(value) if key in numbers else value for key, value in vm.config.items()}
    return found | {"digest": digest(vm)}


def _node(state: State, node: Node) -> Json:
    used = sum(vm.memory_mib for vm in state.vms.values() if vm.running and vm.node == node.name)
    if not node.online:
        return {"node": node.name, "status": "offline"}
    return {
        "node": node.name,
        "status": "online",
        "maxcpu": node.cores,
        "cpu": 0.05,
        "maxmem": node.memory_mib * 2**20,
        "mem": used * 2**20,
        "uptime": 86_400,
        **({"hastate": "maintenance"} if node.maintenance else {}),
    }


def nodes(state: State) -> list[Json]:
    return [
        {key: value for key, value in _node(state, node).items() if key != "hastate"}
        for node in state.nodes.values()
    ]


def node_status(state: State, node: Node) -> Json:
    used = sum(vm.memory_mib for vm in state.vms.values() if vm.running and vm.node == node.name) * 2**20
    total = node.memory_mib * 2**20
    return {
        "cpu": 0.05,
        "cpuinfo": {"cpus": node.cores, "cores": node.cores, "sockets": 1, "model": "played"},
        "memory": {"total": total, "used": used, "free": total - used, "available": total - used},
        "pveversion": "pve-manager/9.1.3/0123456789abcdef",
        "loadavg": ["0.10", "0.10", "0.10"],
    }


def cluster_status(state: State) -> list[Json]:
    quorate = int(not state.faults.quorum_lost)
    rows: list[Json] = [
        {
            "id": "cluster",
            "type": "cluster",
            "name": "played",
            "nodes": len(state.nodes),
            "quorate": quorate,
            "version": 1,
        }
    ]
    for number, node in enumerate(state.nodes.values(), 1):
        rows.append(
            {
                "id": f"node/{node.name}",
                "type": "node",
                "name": node.name,
                "nodeid": number,
                "online": int(node.online),
                "local": int(number == 1),
                "ip": f"10.10.0.{number}",
            }
        )
    return rows


def _storage_resource(storage: Storage, node: str) -> Json:
    return {
        "id": f"storage/{node}/{storage.name}",
        "type": "storage",
        "storage": storage.name,
        "node": node,
        "status": "available",
        "plugintype": storage.kind,
        "shared": int(storage.shared),
        "content": ",".join(sorted(storage.content)),
        "maxdisk": storage.total_bytes,
        "disk": storage.used_bytes,
    }


def storage_status(storage: Storage) -> Json:
    return {
        "type": storage.kind,
        "content": ",".join(sorted(storage.content)),
        "total": storage.total_bytes,
        "used": storage.used_bytes,
        "avail": storage.free_bytes,
        "active": 1,
        "enabled": 1,
        "shared": int(storage.shared),
    }


def storages(state: State, node: str) -> list[Json]:
    here = [each for each in state.storages.values() if each.node in ("", node)]
    return [{"storage": each.name, **storage_status(each)} for each in here]


def content(storage: Storage, kind: str) -> list[Json]:
    found: list[Json] = []
    for name, size in storage.volumes.items():
        iso = name in storage.files
        row: Json = {
            "volid": f"{storage.name}:{'iso/' if iso else ''}{name}",
            "format": "iso" if iso else "raw",
            "size": size,
            "content": "iso" if iso else "images",
        }
        if name in storage.owners:
            row["vmid"] = storage.owners[name]
        found.append(row)
    return [row for row in found if kind in ("", row["content"])]


def task_of(state: State, node: str, upid: str) -> Task:
    found = state.tasks.get(upid)
    if found is None or found.node != node:
        raise ApiError(500, "no such task")
    return found


def task_row(task: Task) -> Json:
    _, node, pid, pstart, *_ = task.upid.split(":")
    row: Json = {
        "upid": task.upid,
        "node": node,
        "pid": int(pid, 16),
        "pstart": int(pstart, 16),
        "starttime": task.started_ms // 1000,
        "type": task.kind,
        "id": task.of,
        "user": task.user,
    }
    return row


def tasks(state: State, node: str, asked: Mapping[str, str]) -> list[Json]:
    """The newest first; those that run only where the source says so."""
    source, of = asked.get("source", "archive"), asked.get("vmid", "")
    found = []
    for task in reversed(state.tasks.values()):
        wanted = source == "all" or (source == "archive") == bool(task.exit_status)
        if task.node == node and task.of in (of or task.of,) and wanted:
            row = task_row(task)
            if task.exit_status:
                row |= {"status": task.exit_status, "endtime": task.ended_ms // 1000}
            found.append(row)
    return found[: int(asked.get("limit", "50"))]


def task_status(task: Task) -> Json:
    row = task_row(task) | {"status": "stopped" if task.exit_status else "running"}
    return row | ({"exitstatus": task.exit_status} if task.exit_status else {})


def task_log(task: Task) -> list[Json]:
    end = f"TASK {'OK' if task.exit_status == 'OK' else 'ERROR: ' + task.exit_status}"
    lines = [f"{task.kind} of {task.of}", *([end] if task.exit_status else [])]
    return [{"n": number, "t": line} for number, line in enumerate(lines, 1)]


def bridges(node: Node) -> list[Json]:
    return [
        {"iface": name, "type": "bridge", "active": 1, "autostart": 1}
        | ({"bridge_vlan_aware": 1, "bridge_vids": vlans} if vlans else {})
        for name, vlans in node.bridges.items()
    ]
