"""Workers as virtual machines of Google Cloud (Compute Engine)."""

from herder.drivers.gcp.driver import GcpDriver
from herder.drivers.gcp.opening import make
from herder.drivers.gcp.options import pool_faults
from herder.drivers.gcp.settings import GcpSettings

settings_type = GcpSettings

__all__ = ["GcpDriver", "GcpSettings", "make", "pool_faults", "settings_type"]
