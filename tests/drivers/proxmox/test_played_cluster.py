"""The driver at `herder.testing.proxmox`, which was written without it: the contract suite, on the cluster's own time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from herder.control.kernel.clock import SystemClock
from herder.drivers.proxmox import ProxmoxDriver, ProxmoxSettings
from herder.model.fleet.driver import DriverContext
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.remote.proxmox import ProxmoxClient
from herder.testing.driver_contract import DriverContract
from herder.testing.fakes.transport import InProcessTransport
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET, Proxmox, small_cluster
from tests.drivers.proxmox.lab import spec


class Clock:
    def __init__(self) -> None:
        self.ms = 1_763_777_700_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


class Site:
    def __init__(self) -> None:
        self.clock = Clock()
        self.cluster = Proxmox(small_cluster(nodes=3))
        self.clients: list[ProxmoxClient] = []

    def driver(self, installation: str = "lab", secret: str = TOKEN_SECRET, **changed: Any) -> ProxmoxDriver:
        settings = ProxmoxSettings(url="https://pve.example:8006", token_id=TOKEN_ID, **changed)
        transport = InProcessTransport(self.cluster, self.clock.now_ms)
        # On the real time: the deadline of a call is not for the cluster's, which other threads put forward meanwhile.
        client = ProxmoxClient(settings.url, settings.token_id, secret, SystemClock(), transport=transport)
        self.clients.append(client)
        context = DriverContext(name="proxmox", installation=installation, clock=self.clock)
        return ProxmoxDriver(settings, context, client)

    def close(self) -> None:
        for client in self.clients:
            client.close()


class TestOnThePlayedCluster(DriverContract):
    """`partial`, `lagging`, `cut_off` and `hanging` are those of the suite beside this one."""

    @pytest.fixture
    def site(self) -> Iterator[Site]:
        found = Site()
        yield found
        found.close()

    @pytest.fixture
    def driver(self, site: Site) -> ProxmoxDriver:
        self.site = site
        return site.driver()

    def pass_time(self, driver: Any) -> None:
        self.site.clock.ms += 2_000

    def reopen(self, driver: Any) -> ProxmoxDriver:
        return self.site.driver()

    def slow(self, driver: Any) -> ProxmoxDriver:
        return self.site.driver()

    def stranger(self, driver: Any) -> ProxmoxDriver:
        return self.site.driver("theirs")

    def broken(self, driver: Any) -> ProxmoxDriver:
        return self.site.driver(secret="wrong")

    def leftovers(self, driver: Any, worker: WorkerName) -> list[str]:
        state = self.site.cluster.state
        vms = [str(vm.vmid) for vm in state.vms.values() if vm.config.get("template") != "1"]
        return vms + [
            name for storage in state.storages.values() for name in storage.files if name.endswith(".iso")
        ]

    def spec(self, name: str) -> WorkerSpec:
        return spec(name, driver_options=(("template", "talos-worker"), ("disk", "30GiB")))
