"""Which tool of a Proxmox MCP server makes which call of the API, and with which arguments. Pure.

For each call there are the names that known servers use (ry-ops/proxmox-mcp-server 2, proxmox-mcp-server of PyPI); the setting `tools`
names others. A tool takes only what its schema declares: what is declared under another spelling is renamed, what only protects or tidies
is left out, and the rest needs the tool that makes any call (`raw`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RAW = "raw"
Values = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    tool: str
    fixed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    key: str
    """As `tools` names it."""
    method: str
    pattern: re.Pattern[str]
    candidates: tuple[Candidate, ...]
    task: bool = False
    """Its answer is the id of a task."""
    needed: bool = True


def _route(key: str, call: str, *tools: str | Candidate, task: bool = False, needed: bool = True) -> Route:
    method, path = call.split()
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    candidates = tuple(Candidate(tool=each) if isinstance(each, str) else each for each in tools)
    return Route(
        key=key, method=method, pattern=re.compile(pattern), candidates=candidates, task=task, needed=needed
    )


_VM = "/nodes/{node}/qemu/{vmid}"
_TASK = "/nodes/{node}/tasks/{upid}"
_AGENT = Candidate(tool="vm_agent_get_info", fixed=(("info_type", "network-get-interfaces"),))
ROUTES = (
    _route("resources", "GET /cluster/resources", "get_cluster_resources"),
    _route("cluster_status", "GET /cluster/status", "get_cluster_status"),
    _route("permissions", "GET /access/permissions", "get_permissions", needed=False),
    _route("config", f"GET {_VM}/config", "get_vm_config"),
    _route("status", f"GET {_VM}/status/current", "get_vm_status"),
    _route("clone", f"POST {_VM}/clone", "clone_vm", task=True),
    _route("configure", f"PUT {_VM}/config", "set_vm_config", "update_vm_config"),
    _route("resize", f"PUT {_VM}/resize", "resize_vm_disk"),
    _route("start", f"POST {_VM}/status/start", "start_vm", task=True),
    _route("stop", f"POST {_VM}/status/stop", "stop_vm", task=True),
    _route("reset", f"POST {_VM}/status/reset", "reset_vm", task=True),
    _route("delete", f"DELETE {_VM}", "delete_vm", task=True),
    _route("addresses", f"GET {_VM}/agent/network-get-interfaces", "vm_agent_get_network_interfaces", _AGENT),
    _route("task_status", f"GET {_TASK}/status", "get_task_status"),
    _route("task_log", f"GET {_TASK}/log", "get_task_log", needed=False),
    _route("stop_task", f"DELETE {_TASK}", "stop_task"),
    _route("tasks", "GET /nodes/{node}/tasks", "list_node_tasks", needed=False),
)
KEYS = (*(each.key for each in ROUTES), RAW)
RAW_TOOL = "proxmox_api_raw"
#: Protects against a second change, tidies, or only narrows an answer.
_MAY_BE_LEFT_OUT = frozenset(
    {"digest", "balloon", "purge", "destroy-unreferenced-disks", "source", "limit", "vmid_filter"}
)


def route_of(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """With what the path names."""
    if method == "POST" and path.endswith("/config"):
        method = "PUT"  # the tools know the call that waits
    for route in ROUTES:
        found = route.pattern.fullmatch(path)
        if found is not None and route.method == method:
            return route, found.groupdict()
    return None


def arguments_for(schema: Mapping[str, Any], values: Values) -> tuple[dict[str, object], list[str]]:
    """Of a tool with this schema; and what it does not declare, but for what may be left out."""
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    declared = {_plain(name): (name, kind) for name, kind in properties.items()}
    arguments: dict[str, object] = {}
    undeclared = []
    for name, value in values.items():
        if _plain(name) in declared:
            own, kind = declared[_plain(name)]
            arguments[own] = _as(_type(kind), value)
        elif name not in _MAY_BE_LEFT_OUT:
            undeclared.append(name)
    return arguments, undeclared


def _plain(name: str) -> str:
    return name.replace("-", "_").lower()


def _type(declared: Any) -> str:
    """`{"anyOf": [{"type": "boolean"}, {"type": "null"}]}` is a boolean, too."""
    if not isinstance(declared, dict):
        return ""
    choices = declared.get("anyOf")
    choices = choices if isinstance(choices, list) else []
    kinds = [declared, *(each for each in choices if isinstance(each, dict))]
    return next((str(each["type"]) for each in kinds if each.get("type") not in (None, "null")), "")


def _as(kind: str, value: str | int) -> object:
    if kind == "boolean":
        return str(value) not in ("0", "false", "")
    if kind in ("integer", "number") and str(value).isdecimal():
        return int(value)
    return str(value) if kind == "string" else value
