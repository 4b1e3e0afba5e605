"""Workers as virtual machines of a Proxmox VE cluster, whoever carries the calls: what the drivers `proxmox` and `mcp` have in common."""
