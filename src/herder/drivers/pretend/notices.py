"""The pretend driver with the capability of a provider that announces interruptions: used where the setting `announces` is on.

The world holds what is announced (`PretendWorld.announce`). Each call may meet a fault, as every other call may.
"""

from collections.abc import Sequence

from herder.drivers.pretend.driver import PretendDriver
from herder.drivers.pretend.repairs import RepairingPretendDriver
from herder.model.fleet.driver_capabilities import Interruption


class AnnouncingPretendDriver(PretendDriver):
    def interruptions(self) -> Sequence[Interruption]:
        return self._call("interruptions", "", self._announced)

    def _announced(self) -> Sequence[Interruption]:
        now_ms, mine = self.world.now_ms(), self._context.installation
        return tuple(
            Interruption(worker=worker, left_s=max(0, machine.taken_at_ms - now_ms) / 1000)
            for (owner, worker), machine in sorted(self.world.machines.items())
            if owner == mine and machine.taken_at_ms is not None
        )


class FullPretendDriver(AnnouncingPretendDriver, RepairingPretendDriver):
    """With everything that any provider can."""
