"""Workers as virtual machines of a Proxmox VE cluster, made through the tools of an MCP server of Proxmox."""

from herder.drivers.mcp.driver import McpDriver
from herder.drivers.mcp.opening import make
from herder.drivers.mcp.settings import McpSettings
from herder.remote.proxmox.machines.driver import creation_limits
from herder.remote.proxmox.machines.options import pool_faults

settings_type = McpSettings

__all__ = ["McpDriver", "McpSettings", "creation_limits", "make", "pool_faults", "settings_type"]
