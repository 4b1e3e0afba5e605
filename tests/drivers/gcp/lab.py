"""Drivers of one played Google Cloud project."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from herder.drivers.gcp import GcpDriver, GcpSettings
from herder.drivers.gcp.opening import opened
from herder.model.fleet.driver import DriverContext, Machine, Phase, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.testing.fakes import InProcessTransport
from herder.testing.gcp import PROJECT, TOKEN, Gcp
from herder.testing.gcp.settings import IMAGE

ZONES = "europe-west4-a, europe-west4-b, us-central1-a"
ZONE = "europe-west4-a"
SETTINGS = GcpSettings(project=PROJECT, zones=ZONES, image=IMAGE)
OPTIONS = (("machine_type", "n2-standard-2"),)


class Clock:
    def __init__(self, ms: int = 1_795_000_000_000) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


class GivenToken:
    def __init__(self, token: str = TOKEN) -> None:
        self.token = token

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.token}"

    def refused(self) -> bool:
        return False


class Lab:
    def __init__(self, **inventory: Any) -> None:
        self.clock = Clock()
        self.gcp = Gcp(now_ms=self.clock.ms, **inventory)
        self.drivers: list[GcpDriver] = []

    def driver(
        self, *, installation: str = "lab", token: str = TOKEN, down: bool = False, **changed: Any
    ) -> GcpDriver:
        transport: httpx.BaseTransport = InProcessTransport(self.gcp, self.clock.now_ms)
        if down:
            transport = httpx.MockTransport(refuse_all)
        context = DriverContext(name="gcp", installation=installation, clock=self.clock)
        made = opened(
            replace(SETTINGS, calls_per_s=1_000, **changed), context, GivenToken(token),
            transport=transport, pause=lambda _s: None,
        )  # fmt: skip
        self.drivers.append(made)
        return made

    def jump(self, seconds: float) -> None:
        self.clock.ms += int(seconds * 1000)
        self.gcp.step(self.clock.ms)

    def close(self) -> None:
        for driver in self.drivers:
            driver.close()

    def settled(self, driver: GcpDriver, machine: Machine, looks: int = 50) -> Machine:
        """When it is neither being created nor being removed any more."""
        for _ in range(looks):
            if machine.phase not in (Phase.CREATING, Phase.STOPPING):
                return machine
            self.jump(1)
            machine = driver.get(machine.worker, machine.operation)
        raise AssertionError(f"it is {machine}")

    def running(self, driver: GcpDriver, **changed: Any) -> Machine:
        return self.settled(driver, driver.create(spec(**changed), start()))


def refuse_all(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def spec(name: str = "burst-1-0", **changed: Any) -> WorkerSpec:
    plain = WorkerSpec(
        name=WorkerName(name),
        pool=PoolName("burst"),
        template="medium",
        driver="gcp",
        allocatable=Resources(2000, 8192),
        slots=10,
        price_pico_per_hour=PicoUsd(0),
        driver_options=OPTIONS,
    )
    return replace(plain, **changed)


def start() -> StartData:
    return StartData(
        server_url="http://10.0.0.5:8080", activation_token="hush-hush", self_delete_after_s=600.0
    )
