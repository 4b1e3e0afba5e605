"""Workers that exist in memory only: for tests, simulation and demos."""

from herder.drivers.pretend.driver import PretendDriver
from herder.drivers.pretend.notices import AnnouncingPretendDriver, FullPretendDriver
from herder.drivers.pretend.repairs import RepairingPretendDriver
from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.steps import StepEnd
from herder.drivers.pretend.world import Booted, Fault, Gate, PretendWorld
from herder.model.fleet.driver import DriverContext


def make(settings: PretendSettings, context: DriverContext) -> PretendDriver:
    """With a provider of its own, on the server's clock."""
    return open_pretend(settings, PretendWorld(context.clock.now_ms), context)


def open_pretend(settings: PretendSettings, world: PretendWorld, context: DriverContext) -> PretendDriver:
    """With or without what only some providers can."""
    if settings.announces:
        kind = FullPretendDriver if settings.repairs else AnnouncingPretendDriver
        return kind(settings, world, context)
    return (RepairingPretendDriver if settings.repairs else PretendDriver)(settings, world, context)


settings_type = PretendSettings

__all__ = [
    "AnnouncingPretendDriver",
    "Booted",
    "Fault",
    "FullPretendDriver",
    "Gate",
    "PretendDriver",
    "PretendSettings",
    "PretendWorld",
    "RepairingPretendDriver",
    "StepEnd",
    "make",
    "open_pretend",
    "settings_type",
]
