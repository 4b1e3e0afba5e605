"""Drivers of one played Azure subscription."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from herder.drivers.azure import AzureDriver, AzureSettings
from herder.drivers.azure.opening import opened
from herder.model.fleet.driver import DriverContext, DriverError, Machine, NotFound, Phase
from herder.model.fleet.worker import WorkerSpec
from herder.testing.azure import GROUP, SUBSCRIPTION, TOKEN, Azure, Vm
from herder.testing.azure.settings import IMAGE
from herder.testing.fakes import InProcessTransport
from tests.drivers.gcp.lab import Clock, GivenToken, refuse_all, start
from tests.drivers.gcp.lab import spec as plain_spec

ZONES = "westeurope-1, westeurope-2, northeurope"
ZONE = "westeurope-1"
SIZE = "Standard_D2s_v5"
SETTINGS = AzureSettings(
    subscription=SUBSCRIPTION,
    resource_group=GROUP,
    zones=ZONES,
    image=IMAGE,
    subnet="herder-{location}/workers",
    ssh_public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6 tests",
    public_ip=True,
)
OPTIONS = (("vm_size", SIZE),)
__all__ = ["OPTIONS", "SETTINGS", "SIZE", "ZONE", "Clock", "GivenToken", "Lab", "spec", "start"]


def spec(name: str = "burst-1-0", **changed: Any) -> WorkerSpec:
    return plain_spec(name, **{"driver": "azure", "driver_options": OPTIONS, **changed})


class Lab:
    def __init__(self, **inventory: Any) -> None:
        self.clock = Clock()
        self.azure = Azure(now_ms=self.clock.ms, **inventory)
        self.drivers: list[AzureDriver] = []

    @property
    def vm(self) -> Vm:
        (found,) = self.azure.state.vms.values()
        return found

    def driver(
        self, *, installation: str = "lab", token: str = TOKEN, down: bool = False, **changed: Any
    ) -> AzureDriver:
        transport: httpx.BaseTransport = InProcessTransport(self.azure, self.clock.now_ms)
        if down:
            transport = httpx.MockTransport(refuse_all)
        context = DriverContext(name="azure", installation=installation, clock=self.clock)
        made = opened(
            replace(SETTINGS, calls_per_s=1_000, **changed), context, GivenToken(token),
            transport=transport, pause=lambda _s: None,
        )  # fmt: skip
        self.drivers.append(made)
        return made

    def jump(self, seconds: float) -> None:
        self.clock.ms += int(seconds * 1000)
        self.azure.step(self.clock.ms)

    def close(self) -> None:
        for driver in self.drivers:
            driver.close()

    def settled(self, driver: AzureDriver, machine: Machine, looks: int = 50) -> Machine:
        """When it is neither being created nor being removed any more."""
        for _ in range(looks):
            if machine.phase not in (Phase.CREATING, Phase.STOPPING):
                return machine
            self.jump(1)
            machine = driver.get(machine.worker, machine.operation)
        raise AssertionError(f"it is {machine}")

    def running(self, driver: AzureDriver, **changed: Any) -> Machine:
        return self.settled(driver, driver.create(spec(**changed), start()))

    def end(self, driver: AzureDriver, error: DriverError) -> None:
        """As the server does when a creation has failed."""
        if error.leaves_parts:
            with pytest.raises(NotFound):
                self.settled(driver, driver.delete(spec().name))

    def left(self) -> list[str]:
        """Everything of workers that the subscription still has."""
        state = self.azure.state
        return [*state.vms, *(f"{kind} {name}" for kind, name in state.parts)]
