"""Days of a fleet on Azure in the simulated world: `python -m tests.azure.story FIRST LAST [HOURS]`."""

from __future__ import annotations

import sys
from typing import ClassVar

from tests.azure.simulated import AzureWorld
from tests.clouds import story
from tests.clouds.story import SETTINGS, Story
from tests.drivers.azure.lab import SETTINGS as DRIVER_SETTINGS

__all__ = ["SETTINGS", "AzureMishaps", "run"]


class AzureMishaps(story.Mishaps):
    kinds: ClassVar = (*story.Mishaps.kinds, "keep_parts", "slow_card")
    failures: ClassVar = (
        ("create", "InternalOperationError", "An internal execution error occurred."),
        ("create", "AllocationFailed", "We do not have sufficient capacity for the requested VM size."),
        ("create", "OSProvisioningTimedOut", "OS Provisioning did not finish in the allotted time."),
        ("delete", "InternalOperationError", "An internal execution error occurred."),
    )
    zones: ClassVar = DRIVER_SETTINGS.zone_names
    spot_quota = "lowPriorityCores"

    def preempt(self) -> None:
        location = self.draw.choice(DRIVER_SETTINGS.locations)
        for vm in self.world.vms():
            if vm.spot and vm.location == location and vm.power == "running":
                self.state.evict(vm.name)

    def edit(self) -> None:
        vm = self.vm()
        if vm is not None:
            vm.body["tags"] = {"team": "blue"}

    def keep_parts(self) -> None:
        """People have changed what happens to them when the VM is deleted."""
        parts = list(self.state.parts.values())
        if parts:
            self.draw.choice(parts).stays = True

    def slow_card(self) -> None:
        self.state.faults.add(story.Rule(operation="put networkInterfaces", delay_ms=20_000))


def run(seed: int, *, hours: float) -> tuple[AzureWorld, Story]:
    world, told = story.run(AzureWorld, AzureMishaps, seed, hours=hours)
    assert isinstance(world, AzureWorld)
    return world, told


if __name__ == "__main__":
    sys.exit(story.main(AzureWorld, AzureMishaps, sys.argv[1:]))
