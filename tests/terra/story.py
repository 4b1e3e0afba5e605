"""Days of a fleet on Terra in the simulated world: `python -m tests.terra.story FIRST LAST [HOURS]`."""

from __future__ import annotations

import sys
from typing import ClassVar

from herder.testing.terra import REGION
from tests.clouds import story
from tests.clouds.story import SETTINGS, Story
from tests.terra.simulated import TerraWorld

__all__ = ["SETTINGS", "TerraMishaps", "run"]


class TerraMishaps(story.Mishaps):
    kinds: ClassVar = (*story.Mishaps.kinds, "vanish", "keep_broken")
    failures: ClassVar = (
        ("create", "InternalOperationError", "An internal execution error occurred."),
        ("create", "AllocationFailed", "We do not have sufficient capacity for the requested VM size."),
        ("create", "", "Async operation failed with provisioning state: Failed"),
        ("delete", "InternalOperationError", "An internal execution error occurred."),
    )
    zones: ClassVar = (REGION,)
    spot_quota = "lowPriorityCores"

    def preempt(self) -> None:
        for vm in self.world.vms():
            if vm.spot and vm.power == "running":
                self.state.evict(vm.id)

    def edit(self) -> None:
        vm = self.vm()
        if vm is not None:
            vm.marks[:] = [{"key": "team", "value": "blue"}]

    def vanish(self) -> None:
        """People have deleted it at Azure: Terra does not know."""
        vm = self.vm()
        if vm is not None and vm.power:
            self.state.vanish(vm)

    def keep_broken(self) -> None:
        self.state.keeps_broken = not self.state.keeps_broken


def run(seed: int, *, hours: float) -> tuple[TerraWorld, Story]:
    world, told = story.run(TerraWorld, TerraMishaps, seed, hours=hours)
    assert isinstance(world, TerraWorld)
    return world, told


if __name__ == "__main__":
    sys.exit(story.main(TerraWorld, TerraMishaps, sys.argv[1:]))
