"""Days of a fleet on Google Cloud in the simulated world: `python -m tests.gcp.story FIRST LAST [HOURS]`."""

from __future__ import annotations

import sys
from typing import ClassVar

from tests.clouds import story
from tests.clouds.story import SETTINGS, Story
from tests.gcp.simulated import ZONES, GcpWorld

__all__ = ["SETTINGS", "GcpMishaps", "run"]


class GcpMishaps(story.Mishaps):
    kinds: ClassVar = (*story.Mishaps.kinds, "lose_zone")
    failures: ClassVar = (
        ("insert", "INTERNAL_ERROR", "Internal error. Please try again."),
        ("insert", "ZONE_RESOURCE_POOL_EXHAUSTED", "The zone does not have enough resources available."),
        ("insert", "QUOTA_EXCEEDED", "Quota 'CPUS' exceeded."),
        ("delete", "INTERNAL_ERROR", "Internal error. Please try again."),
    )
    zones: ClassVar = ZONES
    spot_quota = "PREEMPTIBLE_CPUS"

    def heal(self) -> None:
        super().heal()
        self.state.unreachable.clear()

    def preempt(self) -> None:
        zone = self.draw.choice(ZONES)
        for place, vm in list(self.state.vms.items()):
            if vm.spot and place[0] == zone and vm.status == "RUNNING":
                self.state.preempt(*place)

    def edit(self) -> None:
        vm = self.vm()
        if vm is not None:
            vm.body["labels"] = {"team": "blue"}

    def lose_zone(self) -> None:
        self.for_a_while(self.state.unreachable, self.draw.choice(ZONES))


def run(seed: int, *, hours: float) -> tuple[GcpWorld, Story]:
    world, told = story.run(GcpWorld, GcpMishaps, seed, hours=hours)
    assert isinstance(world, GcpWorld)
    return world, told


if __name__ == "__main__":
    sys.exit(story.main(GcpWorld, GcpMishaps, sys.argv[1:]))
