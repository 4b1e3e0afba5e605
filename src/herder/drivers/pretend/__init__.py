"""Workers that exist in memory only: for tests, simulation and demos."""

from herder.drivers.pretend.driver import PretendDriver
from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.world import Booted, Fault, PretendWorld

settings_type = PretendSettings
make = PretendDriver

__all__ = ["Booted", "Fault", "PretendDriver", "PretendSettings", "PretendWorld", "make", "settings_type"]
