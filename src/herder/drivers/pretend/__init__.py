"""Workers that exist in memory only: for tests, simulation and demos."""

from herder.drivers.pretend.driver import PretendDriver
from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.world import Booted, Fault, Gate, PretendWorld
from herder.model.fleet.driver import DriverContext


def make(settings: PretendSettings, context: DriverContext) -> PretendDriver:
    """With a provider of its own, on the server's clock."""
    return PretendDriver(settings, PretendWorld(context.clock.now_ms), context)


settings_type = PretendSettings

__all__ = [
    "Booted",
    "Fault",
    "Gate",
    "PretendDriver",
    "PretendSettings",
    "PretendWorld",
    "make",
    "settings_type",
]
