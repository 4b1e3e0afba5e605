"""A client of MCP servers, and the calls of Proxmox through the tools of one."""
