"""Drivers of one fake Proxmox cluster."""

from dataclasses import replace
from typing import Any

import httpx

from herder.drivers.proxmox import ProxmoxDriver, ProxmoxSettings
from herder.model.fleet.driver import DriverContext, Machine, Phase, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.remote.proxmox import ProxmoxClient
from tests.drivers.proxmox.fake import SECRET, FakeProxmox

SETTINGS = ProxmoxSettings(url="https://pve.example:8006", token_id="herder@pve!workers")


class Lab:
    def __init__(self) -> None:
        self.clients: list[ProxmoxClient] = []

    def driver(
        self,
        fake: FakeProxmox,
        *,
        installation: str = "lab",
        secret: str = SECRET,
        down: bool = False,
        **changed: Any,
    ) -> ProxmoxDriver:
        settings = replace(SETTINGS, **changed)
        transport: httpx.BaseTransport = httpx.MockTransport(refuse_all) if down else fake.transport()
        client = ProxmoxClient(settings.url, settings.token_id, secret, fake.clock, transport=transport)
        self.clients.append(client)
        context = DriverContext(name="proxmox", installation=installation, clock=fake.clock)
        return ProxmoxDriver(settings, context, client)

    def close(self) -> None:
        for client in self.clients:
            client.close()


def refuse_all(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def spec(name: str = "burst-1-0", **changed: Any) -> WorkerSpec:
    plain = WorkerSpec(
        name=WorkerName(name),
        pool=PoolName("burst"),
        template="medium",
        driver="proxmox",
        allocatable=Resources(1000, 512),
        slots=10,
        price_pico_per_hour=PicoUsd(0),
        driver_options=(("template", "medium"),),
    )
    return replace(plain, **changed)


def start() -> StartData:
    return StartData(server_url="http://127.0.0.1:9", activation_token="hush-hush", self_delete_after_s=60.0)


def until_running(driver: ProxmoxDriver, machine: Machine, looks: int = 50) -> Machine:
    for _ in range(looks):
        if machine.phase is not Phase.CREATING:
            return machine
        machine = driver.get(machine.worker, machine.operation)
    raise AssertionError(f"it is {machine}")
