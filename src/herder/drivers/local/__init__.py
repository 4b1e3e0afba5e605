"""Workers as processes on this machine: for a first test, for development, and for one large machine."""

from herder.drivers.local.driver import LocalDriver
from herder.drivers.local.settings import LocalSettings

settings_type = LocalSettings
make = LocalDriver

__all__ = ["LocalDriver", "LocalSettings", "make", "settings_type"]
