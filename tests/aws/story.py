"""Days of a fleet on AWS in the simulated world: `python -m tests.aws.story FIRST LAST [HOURS]`."""

from __future__ import annotations

import sys
from typing import ClassVar

from tests.aws.simulated import ZONES, AwsWorld
from tests.clouds import story
from tests.clouds.story import SETTINGS, Rule, Story

__all__ = ["SETTINGS", "AwsMishaps", "run"]

_FULL = "Server.InsufficientInstanceCapacity"
#: An answer of AWS, its status, and whether the call has acted.
ANSWERS = (
    ("RequestLimitExceeded", 503, False),
    ("InternalError", 500, True),
    ("Unavailable", 503, False),
    ("InvalidNextToken", 400, False),
)


class AwsMishaps(story.Mishaps):
    kinds: ClassVar = (
        "preempt", "sell_out", "cut_quota", "delete_by_hand", "switch_off", "shut_down", "edit", "fail_operation",
        "hang_operation", "answer", "late_lists", "short_pages", "keep_disk", "lose_permission",
    )  # fmt: skip
    failures: ClassVar = (
        ("RunInstances", _FULL, f"{_FULL}: Insufficient capacity to satisfy instance request"),
        ("RunInstances", "Server.InternalError", "Server.InternalError: Internal error on launch"),
        ("RunInstances", "Client.VolumeLimitExceeded", "Client.VolumeLimitExceeded: Volume limit exceeded"),
    )
    zones: ClassVar = ZONES

    def heal(self) -> None:
        aws = self.state
        for each in (aws.sold_out, aws.missing):
            each.clear()
        aws.faults.clear()
        aws.cpus_limit = aws.spot_cpus_limit = 1_000
        aws.listing_lag_ms, aws.page_rows = 0, 1_000

    def preempt(self) -> None:
        zone = self.draw.choice(ZONES)
        for vm in self.world.vms():
            if vm.spot and vm.zone == zone and vm.state == "running":
                self.state.interrupt(vm.id)

    def cut_quota(self) -> None:
        self.for_now("spot_cpus_limit", self.draw.choice((0, 2, 4)), 1_000)

    def delete_by_hand(self) -> None:
        vm, text = self.vm(), "Client.UserInitiatedShutdown"
        if vm is not None:
            self.state.end(vm, text, f"{text}: User initiated shutdown")

    def switch_off(self) -> None:
        """A person stops an instance. Spot instances cannot be stopped."""
        vm = self.vm()
        if vm is not None:
            self.state.stop(vm)

    def shut_down(self) -> None:
        vm = self.vm()
        if vm is not None:
            self.state.shut_down(vm)

    def edit(self) -> None:
        vm = self.vm()
        if vm is not None:
            vm.tags = {"team": "blue"}

    def answer(self) -> None:
        code, status, acts = self.draw.choice(ANSWERS)
        path = (
            "DescribeInstances$"
            if code == "InvalidNextToken"
            else self.draw.choice(("Run", "Terminate", "Describe"))
        )
        times = self.draw.randint(1, 6)
        self.state.faults.add(Rule(path=path, status=status, acts=acts, code=code, times=times))

    def late_lists(self) -> None:
        self.for_now("listing_lag_ms", int(self.draw.uniform(1_000, 90_000)), 0)

    def short_pages(self) -> None:
        self.for_now("page_rows", 1, 1_000)

    def keep_disk(self) -> None:
        """People have changed what happens to it when its instance ends."""
        volumes = list(self.state.volumes.values())
        if volumes:
            self.draw.choice(volumes).stays = True

    def lose_permission(self) -> None:
        """One without which the driver goes on. Without others it is frozen until a person unfreezes it."""
        self.for_a_while(self.state.missing, self.draw.choice(("ec2:DescribeVolumes", "ec2:DeleteVolume")))

    def for_now(self, name: str, value: int, usual: int) -> None:
        setattr(self.state, name, value)
        self.world.loop.call_later(self.draw.uniform(300, 7_200), setattr, self.state, name, usual)


def run(seed: int, *, hours: float) -> tuple[AwsWorld, Story]:
    world, told = story.run(AwsWorld, AwsMishaps, seed, hours=hours)
    assert isinstance(world, AwsWorld)
    return world, told


if __name__ == "__main__":
    sys.exit(story.main(AwsWorld, AwsMishaps, sys.argv[1:]))
