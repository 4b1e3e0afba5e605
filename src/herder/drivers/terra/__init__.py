"""Workers as virtual machines of a Terra workspace on Azure."""

from herder.drivers.terra.driver import TerraDriver
from herder.drivers.terra.opening import make
from herder.drivers.terra.options import pool_faults
from herder.drivers.terra.settings import TerraSettings

settings_type = TerraSettings

__all__ = ["TerraDriver", "TerraSettings", "make", "pool_faults", "settings_type"]
