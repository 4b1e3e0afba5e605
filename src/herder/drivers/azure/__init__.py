"""Workers as virtual machines of Azure."""

from herder.drivers.azure.driver import AzureDriver
from herder.drivers.azure.opening import make
from herder.drivers.azure.options import pool_faults
from herder.drivers.azure.settings import AzureSettings

settings_type = AzureSettings

__all__ = ["AzureDriver", "AzureSettings", "make", "pool_faults", "settings_type"]
