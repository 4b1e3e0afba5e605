"""An MCP server of Proxmox for tests: its tools make calls of a Proxmox API, such as that of `herder.testing.proxmox`.

`python -m herder.testing.mcp` is one over its standard input and output; `http.serving` is one on this machine over streamable HTTP. Both
are written without the library that the client uses.
"""

from herder.testing.mcp.faults import McpFaults, McpRule
from herder.testing.mcp.protocol import Played
from herder.testing.mcp.tools import ProxmoxTools

__all__ = ["McpFaults", "McpRule", "Played", "ProxmoxTools"]
