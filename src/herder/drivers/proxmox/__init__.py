"""Workers as virtual machines of a Proxmox VE cluster, cloned from templates."""

from herder.drivers.proxmox.opening import make
from herder.remote.proxmox.machines.driver import ProxmoxDriver, creation_limits
from herder.remote.proxmox.machines.options import pool_faults
from herder.remote.proxmox.machines.settings import ProxmoxSettings

settings_type = ProxmoxSettings

__all__ = ["ProxmoxDriver", "ProxmoxSettings", "creation_limits", "make", "pool_faults", "settings_type"]
