"""A small Proxmox cluster behind an httpx transport: VMs, tasks that take time on a clock, texts as Proxmox writes them, and faults."""

import re
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx

GIB = 2**30
SECRET = "5ec2e7"


class Clock:
    ms = 1_000_000

    def now_ms(self) -> int:
        return self.ms

    monotonic_ms = now_ms


@dataclass
class Vm:
    vmid: int
    node: str
    config: dict[str, Any] = field(default_factory=dict)
    running: bool = False

    @property
    def template(self) -> bool:
        return bool(self.config.get("template"))


@dataclass
class Task:
    upid: str
    ends_ms: int
    act: Any
    end: str = "OK"
    done: bool = False


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class FakeProxmox:
    def __init__(self, nodes: int = 2, task_ms: int = 0) -> None:
        self.clock, self.task_ms = Clock(), task_ms
        self.lock = threading.RLock()
        self.nodes = {
            f"pve{number}": {"status": "online", "maxcpu": 16, "maxmem": 64 * GIB}
            for number in range(1, nodes + 1)
        }
        self.storages = {
            (name, node): {"maxdisk": 1_000 * GIB, "disk": 0}
            for node in self.nodes
            for name in ("local", "local-lvm")
        }
        self.bridges: dict[str, list[dict[str, Any]]] = {node: [{"iface": "vmbr0"}] for node in self.nodes}
        self.vms: dict[int, Vm] = {}
        self.tasks: dict[str, Task] = {}
        self.images: dict[tuple[str, str], bytes] = {}
        self.calls: list[tuple[str, str]] = []
        self.clone_ends: list[str] = []
        """How the next clones end."""
        self.refuse: list[tuple[str, Refused]] = []
        """The next call whose method and path match is refused."""
        self.lose: list[str] = []
        """The next call that matches acts, and its answer is lost."""
        self.hidden: set[int] = set()
        self.permissions: dict[str, dict[str, int]] = {}
        self.quorate = 1
        for number, node in enumerate(self.nodes):
            self.add(
                9001 + number,
                node,
                name="medium",
                template=1,
                cores=2,
                memory=2048,
                boot="order=scsi0",
                scsi0=f"local-lvm:base-{9001 + number}-disk-0,size=10G",
                machine="q35",
            )

    def add(self, vmid: int, node: str, **config: Any) -> Vm:
        self.vms[vmid] = Vm(vmid=vmid, node=node, config=config)
        return self.vms[vmid]

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def jump(self, ms: int) -> None:
        self.clock.ms += ms

    def made(self) -> list[Vm]:
        return [vm for vm in self.vms.values() if vm.vmid >= 20_000]

    # --- HTTP

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.path.removeprefix("/api2/json"))
        call = f"{request.method} {path}"
        with self.lock:
            self.calls.append((request.method, path))
            try:
                if request.headers["authorization"] != f"PVEAPIToken=herder@pve!workers={SECRET}":
                    raise Refused(401, "authentication failure")
                for each in self.refuse:
                    if re.search(each[0], call):
                        self.refuse.remove(each)
                        raise each[1]
                self.settle()
                found = self.answer(request, path)
            except Refused as error:
                return httpx.Response(error.status, json={"data": None, "message": error.text})
            for pattern in self.lose:
                if re.search(pattern, call):
                    self.lose.remove(pattern)
                    raise httpx.ReadTimeout("timed out")
        return httpx.Response(200, json={"data": found})

    def answer(self, request: httpx.Request, path: str) -> Any:
        body = (
            {}
            if b"multipart" in request.headers.get("content-type", "").encode()
            else dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        )
        if path == "/cluster/resources":
            return self.rows()
        if path == "/cluster/status":
            return [{"type": "cluster", "quorate": self.quorate}]
        if path == "/access/permissions":
            return self.permissions
        parts = path.strip("/").split("/")
        node = parts[1]
        if node not in self.nodes:
            raise Refused(500, f"hostname lookup '{node}' failed")
        if self.nodes[node]["status"] != "online":
            raise Refused(595, "No route to host")
        if parts[2] == "network":
            assert request.url.params["type"] == "any_bridge"
            return self.bridges[node]
        if parts[2] == "tasks":
            return self.of_task(request, parts)
        if parts[2] == "storage":
            return self.of_storage(request, node, parts)
        return self.of_vm(request.method, node, int(parts[3]), "/".join(parts[4:]), body)

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [
            {"type": "node", "node": name} | about for name, about in self.nodes.items()
        ]
        rows += [
            {"type": "storage", "storage": name, "node": node, "status": "available", "shared": 0} | about
            for (name, node), about in self.storages.items()
        ]
        for vm in self.vms.values():
            if vm.vmid in self.hidden:
                continue
            online = self.nodes[vm.node]["status"] == "online"
            status = ("running" if vm.running else "stopped") if online else "unknown"
            row = {"type": "qemu", "vmid": vm.vmid, "node": vm.node, "status": status}
            row |= {"name": vm.config.get("name", f"VM {vm.vmid}"), "template": int(vm.template)}
            row |= {
                "maxmem": int(vm.config.get("memory", 0)) * 2**20,
                "maxcpu": int(vm.config.get("cores", 1)),
            }
            row |= {key: vm.config[key] for key in ("tags", "lock") if key in vm.config}
            rows.append(row)
        return rows

    # --- tasks

    def begin(self, node: str, kind: str, about: int | str, act: Any, end: str = "OK") -> str:
        upid = f"UPID:{node}:{len(self.tasks):08X}:0:0:{kind}:{about}:herder@pve!workers:"
        self.tasks[upid] = Task(upid=upid, ends_ms=self.clock.ms + self.task_ms, act=act, end=end)
        self.settle()
        return upid

    def settle(self) -> None:
        for task in list(self.tasks.values()):
            if not task.done and task.ends_ms <= self.clock.ms:
                task.done = True
                task.act(task.end == "OK")

    def of_task(self, request: httpx.Request, parts: list[str]) -> Any:
        if len(parts) == 3:
            vmid = request.url.params["vmid"]
            return [{"upid": each.upid} for each in reversed(self.tasks.values()) if f":{vmid}:" in each.upid]
        task = self.tasks.get(parts[3])
        if task is None:
            raise Refused(500, "no such task")
        if request.method == "DELETE":
            if not task.done:
                task.ends_ms, task.end = self.clock.ms, "interrupted by signal"
            return None
        if parts[4] == "log":
            return [{"n": 1, "t": f"TASK {task.end}"}]
        return {"status": "stopped", "exitstatus": task.end} if task.done else {"status": "running"}

    # --- storage

    def of_storage(self, request: httpx.Request, node: str, parts: list[str]) -> Any:
        storage = parts[3]
        if (storage, node) not in self.storages:
            raise Refused(500, f"storage '{storage}' does not exist")
        if request.method == "POST":
            found = re.search(rb'filename="([^"]+)"', request.content)
            assert found is not None
            volume = f"{storage}:iso/{found[1].decode()}"
            self.images[node, volume] = request.content
            return self.begin(node, "imgcopy", "", lambda well: None)
        if request.method == "DELETE":
            volume = "/".join(parts[5:])
            if self.images.pop((node, volume), None) is None:
                raise Refused(500, f"volume '{volume}' does not exist")
            return None
        return [{"volid": volume} for at, volume in self.images if at == node]

    # --- VMs

    def of_vm(self, method: str, node: str, vmid: int, rest: str, body: dict[str, str]) -> Any:
        vm = self.vms.get(vmid)
        if vm is None or vm.node != node:
            raise Refused(500, f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
        call = f"{method} {rest}".strip()
        if call == "GET config":
            return dict(vm.config)
        if call == "GET status/current":
            return {"status": "running" if vm.running else "stopped"}
        if call == "GET agent/network-get-interfaces":
            raise Refused(500, "QEMU guest agent is not running")
        if vm.config.get("lock") and not call.startswith("POST clone"):
            raise Refused(500, f"VM is locked ({vm.config['lock']})")
        return self.change(vm, call, rest, body)

    def change(self, vm: Vm, call: str, rest: str, body: dict[str, str]) -> Any:
        vmid, node = vm.vmid, vm.node
        if call == "POST clone":
            return self.clone(vm, body)
        if call in ("POST config", "PUT config"):
            act = lambda well: vm.config.update(body)  # noqa: E731
            if call.startswith("PUT"):
                return act(True)
            return self.begin(node, "qmconfig", vmid, act)
        if call == "PUT resize":
            size = int(body["size"].rstrip("M")) // 1024
            vm.config[body["disk"]] = re.sub(r"size=\w+", f"size={size}G", vm.config[body["disk"]])
            return None
        if call == "DELETE":
            if vm.running:
                raise Refused(500, f"VM {vmid} is running - destroy failed")
            return self.begin(node, "qmdestroy", vmid, lambda well: self.vms.pop(vmid, None))
        verb = rest.removeprefix("status/")
        if verb == "start" and vm.running:
            raise Refused(500, f"VM {vmid} already running")
        on = verb != "stop"
        return self.begin(node, f"qm{verb}", vmid, lambda well: setattr(vm, "running", on))

    def clone(self, source: Vm, body: dict[str, str]) -> str:
        vmid, node = int(body["newid"]), body.get("target", source.node)
        if vmid in self.vms:
            raise Refused(500, f"unable to create VM {vmid}: config file already exists")
        made = self.add(vmid, node, lock="clone")
        copied = {key: value for key, value in source.config.items() if key not in ("template", "tags")}

        def act(well: bool) -> None:
            if not well:
                self.vms.pop(vmid, None)
                return
            made.config.pop("lock", None)
            made.config.update(copied, name=body["name"], description=body.get("description", ""))

        end = self.clone_ends.pop(0) if self.clone_ends else "OK"
        return self.begin(source.node, "qmclone", source.vmid, act, end)
