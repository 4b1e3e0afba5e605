"""The tools: names and arguments as ry-ops/proxmox-mcp-server 2 has them, each one call of a Proxmox API through an httpx client."""

import json
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from herder.testing.mcp.faults import HIDDEN, MARKED, TEXT, McpFaults

Arguments = Mapping[str, Any]
_VM = "/nodes/{node}/qemu/{vmid}"
_TASK = "/nodes/{node}/tasks/{upid}"
_CONFIG = "name description memory:integer cores:integer sockets:integer cpu onboot:boolean agent net0 scsi0 ide2 boot tags delete digest"
#: Name: method, path, further arguments with their types, those that are required beside the names of the path.
_TABLE: dict[str, tuple[str, str, str, str]] = {
    "get_cluster_resources": ("GET", "/cluster/resources", "type", ""),
    "get_cluster_status": ("GET", "/cluster/status", "", ""),
    "list_nodes": ("GET", "/nodes", "", ""),
    "get_vm_config": ("GET", f"{_VM}/config", "current:boolean", ""),
    "get_vm_status": ("GET", f"{_VM}/status/current", "", ""),
    "set_vm_config": ("PUT", f"{_VM}/config", _CONFIG, ""),
    "clone_vm": (
        "POST",
        f"{_VM}/clone",
        "newid:integer name description full:boolean storage pool target snapname",
        "newid",
    ),
    "resize_vm_disk": ("PUT", f"{_VM}/resize", "disk size", "disk size"),
    "start_vm": ("POST", f"{_VM}/status/start", "timeout:integer", ""),
    "stop_vm": ("POST", f"{_VM}/status/stop", "timeout:integer", ""),
    "shutdown_vm": ("POST", f"{_VM}/status/shutdown", "timeout:integer forceStop:boolean", ""),
    "reset_vm": ("POST", f"{_VM}/status/reset", "", ""),
    "delete_vm": ("DELETE", _VM, "purge:boolean destroy-unreferenced-disks:boolean", ""),
    "vm_agent_get_network_interfaces": ("GET", f"{_VM}/agent/network-get-interfaces", "", ""),
    "get_task_status": ("GET", f"{_TASK}/status", "", ""),
    "get_task_log": ("GET", f"{_TASK}/log", "limit:integer start:integer", ""),
    "stop_task": ("DELETE", _TASK, "", ""),
    "list_node_tasks": ("GET", "/nodes/{node}/tasks", "limit:integer vmid:integer", ""),
}
_PATH_NAMES = {"node": "string", "vmid": "integer", "upid": "string"}


def _schema(name: str) -> dict[str, Any]:
    _, path, more, required = _TABLE[name]
    in_path = [each for each in _PATH_NAMES if f"{{{each}}}" in path]
    properties = {each: {"type": _PATH_NAMES[each]} for each in in_path}
    for each in more.split():
        argument, _, kind = each.partition(":")
        properties[argument] = {"type": kind or "string"}
    return {"type": "object", "properties": properties, "required": [*in_path, *required.split()]}


class ProxmoxTools:
    """May be used by several threads at once. `client` has the address and the token of the API."""

    def __init__(self, client: httpx.Client, faults: McpFaults | None = None) -> None:
        self._client = client
        self.faults = faults or McpFaults()

    def listed(self) -> list[dict[str, Any]]:
        without = self.faults.without
        return [
            {"name": name, "description": f"{method} {path}", "inputSchema": _schema(name)}
            for name, (method, path, _, _) in _TABLE.items()
            if not without or without not in name
        ]

    def call(self, name: str, arguments: Arguments) -> tuple[str, bool]:
        """The text of the answer, and whether it is marked as an error."""
        if name not in {each["name"] for each in self.listed()}:
            return f"Unknown tool: {name}", True
        try:
            return json.dumps(self._do(name, arguments), indent=2), False
        except httpx.HTTPError as error:
            return self._failed(name, str(error) or type(error).__name__)

    def _do(self, name: str, arguments: Arguments) -> Any:
        method, path, _, _ = _TABLE[name]
        schema = _schema(name)
        path = path.format_map({each: quote(str(arguments.get(each, "")), safe="") for each in _PATH_NAMES})
        values = {
            key: _plain(value)
            for key, value in arguments.items()
            if key not in _PATH_NAMES or f"{{{key}}}" not in _TABLE[name][1]
        }
        if not self.faults.extra_arguments:
            values = {key: value for key, value in values.items() if key in schema["properties"]}
        how = "params" if method in ("GET", "DELETE") else "data"
        answer = self._client.request(method, path, **{how: values})  # type: ignore[arg-type]
        answer.raise_for_status()
        return answer.json()

    def _failed(self, name: str, text: str) -> tuple[str, bool]:
        style = self.faults.style
        if style == TEXT:
            return f"❌ Error: {text}", False
        if style == MARKED:
            return f"Error executing tool {name}: {text}", True
        if style == HIDDEN:
            log = f"ERROR    Tool '{name}' raised an unexpected exception\nHTTPStatusError: {text}\n"
            sys.stderr.write(log)
            sys.stderr.flush()
            return f"Error executing tool {name}", True
        return json.dumps({"error": text, "tool": name}), False


def _plain(value: Any) -> str | int:
    return int(value) if isinstance(value, (bool, int)) else str(value)
