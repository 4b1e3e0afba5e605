"""Workers as nodes of a ROSA cluster: a pool is one machine pool, which is resized."""

from herder.drivers.rosa.driver import RosaDriver
from herder.drivers.rosa.opening import make
from herder.drivers.rosa.options import pool_faults
from herder.drivers.rosa.settings import RosaSettings

settings_type = RosaSettings

__all__ = ["RosaDriver", "RosaSettings", "make", "pool_faults", "settings_type"]
