"""Drivers of one played region of AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from herder.drivers.aws import AwsDriver, AwsSettings
from herder.drivers.aws.opening import opened
from herder.drivers.aws.signing import Keys
from herder.model.fleet.driver import DriverClock, DriverContext, Machine, Phase
from herder.model.fleet.worker import WorkerSpec
from herder.testing.aws import ACCESS_KEY, SECRET, Aws
from herder.testing.aws.cloud import IMAGE
from herder.testing.fakes import InProcessTransport
from tests.drivers.gcp.lab import Clock, refuse_all, start
from tests.drivers.gcp.lab import spec as gcp_spec

ZONE = "eu-west-1a"
SETTINGS = AwsSettings(region="eu-west-1", image=IMAGE, calls_per_s=1_000)
OPTIONS = (("instance_type", "m7i.large"),)


class GivenKeys:
    def __init__(self, _clock: DriverClock, access_key: str = ACCESS_KEY) -> None:
        self._keys = Keys(access_key=access_key, secret=SECRET)

    def keys(self) -> Keys:
        return self._keys

    def refused(self) -> bool:
        return False


class Lab:
    def __init__(self) -> None:
        self.clock = Clock()
        self.aws = Aws(now_ms=self.clock.ms)
        self.drivers: list[AwsDriver] = []

    def driver(self, *, installation: str = "lab", down: bool = False, **changed: Any) -> AwsDriver:
        transport: httpx.BaseTransport = InProcessTransport(self.aws, self.clock.now_ms)
        if down:
            transport = httpx.MockTransport(refuse_all)
        context = DriverContext(name="aws", installation=installation, clock=self.clock)
        made = opened(
            replace(SETTINGS, **changed), context, GivenKeys(self.clock),
            transport=transport, pause=lambda _s: None,
        )  # fmt: skip
        self.drivers.append(made)
        return made

    def jump(self, seconds: float) -> None:
        self.clock.ms += int(seconds * 1000)
        self.aws.step(self.clock.ms)

    def close(self) -> None:
        for driver in self.drivers:
            driver.close()

    def settled(self, driver: AwsDriver, machine: Machine, looks: int = 50) -> Machine:
        """When it is neither being created nor being removed any more."""
        for _ in range(looks):
            if machine.phase not in (Phase.CREATING, Phase.STOPPING):
                return machine
            self.jump(1)
            machine = driver.get(machine.worker, machine.operation)
        raise AssertionError(f"it is {machine}")

    def running(self, driver: AwsDriver, **changed: Any) -> Machine:
        return self.settled(driver, driver.create(spec(**changed), start()))


def spec(name: str = "burst-1-0", **changed: Any) -> WorkerSpec:
    return gcp_spec(name, **{"driver": "aws", "driver_options": OPTIONS, **changed})
