"""Workers as nodes of a ROSA cluster: a pool is one machine pool, which is resized."""

from herder.drivers.rosa.driver import RosaDriver
from herder.drivers.rosa.opening import make
from herder.drivers.rosa.options import pool_faults
from herder.drivers.rosa.settings import RosaSettings
from herder.model.fleet.creation import CreationLimits
from herder.remote.ocm.rules import NODES_HCP

settings_type = RosaSettings
#: A node takes minutes, and all that are asked for start at once: as many as a machine pool may have.
creation_limits = CreationLimits(parallel_creates=NODES_HCP, create_retry_pause_s=10.0)

__all__ = ["RosaDriver", "RosaSettings", "creation_limits", "make", "pool_faults", "settings_type"]
