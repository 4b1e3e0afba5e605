"""Workers as virtual machines of a Proxmox VE cluster, cloned from templates."""

from herder.drivers.proxmox.driver import ProxmoxDriver, creation_limits
from herder.drivers.proxmox.opening import make
from herder.drivers.proxmox.options import pool_faults
from herder.drivers.proxmox.settings import ProxmoxSettings

settings_type = ProxmoxSettings

__all__ = ["ProxmoxDriver", "ProxmoxSettings", "creation_limits", "make", "pool_faults", "settings_type"]
