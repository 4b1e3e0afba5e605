"""Drivers of one played Terra workspace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from herder.drivers.terra import TerraDriver, TerraSettings
from herder.drivers.terra.opening import opened
from herder.model.fleet.driver import DriverContext, Machine, Phase
from herder.model.fleet.worker import WorkerSpec
from herder.testing.fakes import InProcessTransport
from herder.testing.terra import REGION, TOKEN, WORKSPACE, Terra, Vm
from herder.testing.terra.settings import IMAGE
from tests.drivers.gcp.lab import Clock, GivenToken, refuse_all, start
from tests.drivers.gcp.lab import spec as plain_spec

SIZE = "Standard_D2ds_v5"
URL = "https://workspace.example"
SETTINGS = TerraSettings(url=URL, workspace=WORKSPACE, zone=REGION, image=IMAGE)
OPTIONS = (("vm_size", SIZE),)
__all__ = ["OPTIONS", "SETTINGS", "SIZE", "URL", "Clock", "GivenToken", "Lab", "spec", "start"]


def spec(name: str = "burst-1-0", **changed: Any) -> WorkerSpec:
    return plain_spec(name, **{"driver": "terra", "driver_options": OPTIONS, **changed})


class Lab:
    def __init__(self, **inventory: Any) -> None:
        self.clock = Clock()
        self.terra = Terra(now_ms=self.clock.ms, **inventory)
        self.drivers: list[TerraDriver] = []

    @property
    def vm(self) -> Vm:
        (found,) = self.terra.state.vms.values()
        return found

    def driver(
        self, *, installation: str = "lab", token: str = TOKEN, down: bool = False, **changed: Any
    ) -> TerraDriver:
        transport: httpx.BaseTransport = InProcessTransport(self.terra, self.clock.now_ms)
        if down:
            transport = httpx.MockTransport(refuse_all)
        context = DriverContext(name="terra", installation=installation, clock=self.clock)
        made = opened(
            replace(SETTINGS, calls_per_s=1_000, **changed), context, GivenToken(token),
            transport=transport, pause=lambda _s: None,
        )  # fmt: skip
        self.drivers.append(made)
        return made

    def jump(self, seconds: float) -> None:
        self.clock.ms += int(seconds * 1000)
        self.terra.step(self.clock.ms)

    def close(self) -> None:
        for driver in self.drivers:
            driver.close()

    def settled(self, driver: TerraDriver, machine: Machine, looks: int = 100) -> Machine:
        """When it is neither being created nor being removed any more."""
        for _ in range(looks):
            if machine.phase not in (Phase.CREATING, Phase.STOPPING):
                return machine
            self.jump(2)
            machine = driver.get(machine.worker, machine.operation)
        raise AssertionError(f"it is {machine}")

    def running(self, driver: TerraDriver, **changed: Any) -> Machine:
        return self.settled(driver, driver.create(spec(**changed), start()))
