"""A Proxmox VE API: one client, and what its errors mean."""

from herder.remote.proxmox.client import ProxmoxClient
from herder.remote.proxmox.errors import call_error, task_error

__all__ = ["ProxmoxClient", "call_error", "task_error"]
