"""The calls that are known: path, parameters that are required, the privilege that each needs, and what it does."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from herder.testing.proxmox import machines, reads, uploads
from herder.testing.proxmox.answers import ApiError, TaskFailed, bad_parameters
from herder.testing.proxmox.clones import clone
from herder.testing.proxmox.parts import Token, Vm
from herder.testing.proxmox.state import State

Needs = tuple[str, str]
"""A path with names in braces, and privileges there: one of them, separated by `|`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    state: State
    names: Mapping[str, str]
    asked: Mapping[str, str]
    user: str
    token: Token
    content: bytes = b""

    @property
    def vm(self) -> Vm:
        return self.state.vm(self.names["node"], self.names["vmid"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    does: Callable[[Call], Any]
    required: tuple[str, ...] = ()
    needs: tuple[Needs, ...] = ()
    writes_cluster: bool = False
    """It needs a quorum."""


def check(route: Route, call: Call) -> None:
    missing = {
        name: "property is missing and it is not optional"
        for name in route.required
        if name not in call.asked
    }
    if missing:
        raise bad_parameters(missing)
    for path, privileges in route.needs:
        at = path.format_map({"newid": "", "storage": "", **call.asked, **call.names})
        if not any(call.token.allows(at, each) for each in privileges.split("|")):
            raise ApiError(403, f"Permission check failed ({at}, {privileges})")
    if route.writes_cluster and call.state.faults.quorum_lost:
        raise ApiError(500, "cluster not ready - no quorum?")


def _nextid(call: Call) -> Any:
    if wanted := call.asked.get("vmid"):
        if int(wanted) in call.state.vms:
            raise bad_parameters({"vmid": f"VM {wanted} already exists"})
        return wanted
    return str(next(number for number in range(100, 1_000_000) if number not in call.state.vms))


def _resources(call: Call) -> Any:
    rows = reads.resources(call.state, call.asked.get("type", ""))
    return [row for row in rows if _seen(call, row)]


def _seen(call: Call, row: Mapping[str, Any]) -> bool:
    if row["type"] == "qemu":
        return call.token.allows(f"/vms/{row['vmid']}", "VM.Audit")
    if row["type"] == "storage":
        return call.token.allows(f"/storage/{row['storage']}", "Datastore.Audit")
    return True


def _network(call: Call) -> Any:
    """Only bridges are played."""
    if call.asked.get("type", "any_bridge") not in ("any_bridge", "bridge", "any_local_bridge"):
        return []
    return [
        row
        for row in reads.bridges(call.state.node(call.names["node"]))
        if any(
            call.token.allows(f"/sdn/zones/localnetwork/{row['iface']}", each)
            for each in ("SDN.Audit", "SDN.Use")
        )
    ]


def _permissions(call: Call) -> Any:
    found = {path: dict.fromkeys(sorted(grants), 1) for path, grants in call.token.grants.items()}
    path = call.asked.get("path")
    if path is None:
        return found
    return {path: {each: 1 for row in found.values() for each in row if call.token.allows(path, each)}}


def _configure(call: Call) -> Any:
    for key in call.asked:
        needed = machines.privilege_of(key)
        if not call.token.allows(f"/vms/{call.names['vmid']}", needed):
            raise ApiError(403, f"Permission check failed (/vms/{call.names['vmid']}, {needed})")
        if key.startswith("hostpci") and not call.token.allows("/mapping/pci", "Mapping.Use"):
            raise ApiError(403, "Permission check failed (/mapping/pci, Mapping.Use)")
    machines.configure(call.state, call.vm, call.asked)


def _configure_later(call: Call) -> Any:
    vm = call.vm

    def work() -> None:
        try:
            machines.configure(call.state, vm, call.asked)
        except ApiError as error:
            raise TaskFailed(str(error)) from None

    return call.state.begin(vm.node, "qmconfig", str(vm.vmid), call.user, 0, work)


def _pools(call: Call) -> Any:
    return [{"poolid": name, "comment": text} for name, text in call.state.pools.items()]


def _route(
    method: str,
    path: str,
    does: Callable[[Call], Any],
    required: tuple[str, ...] = (),
    needs: tuple[Needs, ...] = (),
    *,
    writes: bool = False,
) -> Route:
    pattern = re.sub(
        r"\{(\w+)\}", lambda found: f"(?P<{found[1]}>{'.+' if found[1] == 'volume' else '[^/]+'})", path
    )
    return Route(
        method=method, pattern=re.compile(pattern), does=does,
        required=required, needs=needs, writes_cluster=writes,
    )  # fmt: skip


_VM = "/nodes/{node}/qemu/{vmid}"
_AT = "/vms/{vmid}"
_STORE = "/nodes/{node}/storage/{storage}"
_LOOK: tuple[Needs, ...] = (("/storage/{storage}", "Datastore.Audit|Datastore.AllocateSpace"),)


def _power(name: str, does: Callable[[State, Vm, Mapping[str, str], str], str]) -> Route:
    def call_it(call: Call) -> Any:
        return does(call.state, call.vm, call.asked, call.user)

    return _route("POST", f"{_VM}/status/{name}", call_it, needs=((_AT, "VM.PowerMgmt"),), writes=True)


ROUTES = (
    _route("GET", "/version", lambda _: {"version": "9.1.3", "release": "9.1", "repoid": "0123456789abcdef"}),
    _route("GET", "/access/permissions", _permissions),
    _route("GET", "/cluster/nextid", _nextid),
    _route("GET", "/cluster/resources", _resources),
    _route(
        "GET", "/cluster/status", lambda call: reads.cluster_status(call.state), needs=(("/", "Sys.Audit"),)
    ),
    _route("GET", "/nodes", lambda call: reads.nodes(call.state)),
    _route(
        "GET",
        "/nodes/{node}/status",
        lambda call: reads.node_status(call.state, call.state.nodes[call.names["node"]]),
        needs=(("/nodes/{node}", "Sys.Audit"),),
    ),
    _route("GET", "/pools", _pools),
    _route(
        "GET",
        "/nodes/{node}/qemu",
        lambda call: [
            reads.vm_row(call.state, vm) for vm in call.state.vms.values() if vm.node == call.names["node"]
        ],
    ),
    _route(
        "POST",
        f"{_VM}/clone",
        lambda call: clone(call.state, call.vm, call.asked, call.user),
        required=("newid",),
        needs=((_AT, "VM.Clone"), ("/vms/{newid}", "VM.Allocate")),
        writes=True,
    ),
    _route("GET", f"{_VM}/config", lambda call: reads.config(call.vm), needs=((_AT, "VM.Audit"),)),
    _route("PUT", f"{_VM}/config", _configure, writes=True),
    _route("POST", f"{_VM}/config", _configure_later, needs=((_AT, "VM.Config.Options"),), writes=True),
    _route(
        "PUT",
        f"{_VM}/resize",
        lambda call: machines.resize(call.state, call.vm, call.asked, call.user),
        required=("disk", "size"),
        needs=((_AT, "VM.Config.Disk"),),
        writes=True,
    ),
    _route(
        "GET",
        f"{_VM}/status/current",
        lambda call: reads.current(call.state, call.vm),
        needs=((_AT, "VM.Audit"),),
    ),
    _power("start", machines.start),
    _power("stop", machines.stop),
    _power("shutdown", machines.shutdown),
    _power("reboot", machines.reboot),
    _power("reset", machines.reset),
    _route(
        "POST",
        f"{_VM}/migrate",
        lambda call: machines.migrate(call.state, call.vm, call.asked, call.user),
        required=("target",),
        needs=((_AT, "VM.Migrate"),),
        writes=True,
    ),
    _route(
        "GET",
        f"{_VM}/agent/network-get-interfaces",
        lambda call: machines.interfaces(call.state, call.vm),
        needs=((_AT, "VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted"),),
    ),
    _route(
        "DELETE",
        _VM,
        lambda call: machines.destroy(call.state, call.vm, call.asked, call.user),
        needs=((_AT, "VM.Allocate"),),
        writes=True,
    ),
    _route("GET", "/nodes/{node}/network", _network),
    _route(
        "GET",
        "/nodes/{node}/tasks",
        lambda call: reads.tasks(call.state, call.names["node"], call.asked),
    ),
    _route(
        "GET",
        "/nodes/{node}/tasks/{upid}/status",
        lambda call: reads.task_status(reads.task_of(call.state, call.names["node"], call.names["upid"])),
    ),
    _route(
        "GET",
        "/nodes/{node}/tasks/{upid}/log",
        lambda call: reads.task_log(reads.task_of(call.state, call.names["node"], call.names["upid"])),
    ),
    _route(
        "DELETE",
        "/nodes/{node}/tasks/{upid}",
        lambda call: call.state.stop_task(reads.task_of(call.state, call.names["node"], call.names["upid"])),
    ),
    _route("GET", "/nodes/{node}/storage", lambda call: reads.storages(call.state, call.names["node"])),
    _route("GET", f"{_STORE}/status", lambda call: reads.storage_status(uploads.storage(call)), needs=_LOOK),
    _route(
        "GET",
        f"{_STORE}/content",
        lambda call: reads.content(uploads.storage(call), call.asked.get("content", "")),
        needs=_LOOK,
    ),
    _route(
        "POST",
        f"{_STORE}/upload",
        uploads.upload,
        required=("content", "filename"),
        needs=(("/storage/{storage}", "Datastore.AllocateTemplate"),),
    ),
    _route(
        "DELETE",
        f"{_STORE}/content/{{volume}}",
        uploads.delete,
        needs=(
            ("/storage/{storage}", "Datastore.Allocate|Datastore.AllocateSpace|Datastore.AllocateTemplate"),
        ),
    ),
)
