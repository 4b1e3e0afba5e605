"""The simulated world whose provider is a played project of Google Cloud."""

from __future__ import annotations

import re
from typing import Any

import httpx

from herder.drivers.gcp import GcpSettings
from herder.drivers.gcp.instances import FACTS_KEY
from herder.drivers.gcp.opening import opened
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.pool import PoolSpec
from herder.remote.clouds.facts import Facts, facts_in
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.testing.gcp import PROJECT, TOKEN, Gcp, Vm
from herder.testing.gcp.settings import IMAGE
from tests.clouds.simulated import CloudWorld, GivenToken, pool_of

DRIVER = "google"
ZONES = ("europe-west4-a", "europe-west4-b", "us-central1-a")
SETTINGS = GcpSettings(
    project=PROJECT, zones=", ".join(ZONES), image=IMAGE, calls_per_s=1_000, max_run_hours=12.0
)
POOL = pool_of(DRIVER, (("machine_type", "n2-standard-2"),), ZONES)
_CALL = re.compile(
    r"/(instances|operations|disks|zones|regions|machineTypes|skus)(/[^/]+)?(/reset|/serialPort)?$"
)


class GcpWorld(CloudWorld):
    DRIVER = DRIVER

    def __init__(self, seed: int = 1, *, pools: tuple[PoolSpec, ...] = (POOL,), **more: Any) -> None:
        self.gcp = Gcp()
        super().__init__(self.gcp, seed, pools=pools, **more)

    def opened(self, context: DriverContext, wire: httpx.BaseTransport) -> Driver:
        return opened(SETTINGS, context, GivenToken(TOKEN), transport=wire, pause=lambda _s: None)

    def vms(self) -> list[Vm]:
        return [vm for _, vm in sorted(self.gcp.state.vms.items())]

    def facts_of(self, vm: Vm) -> Facts:
        found = facts_in(vm.metadata[FACTS_KEY], INSTALLATION)
        assert found is not None
        return found

    def script_of(self, vm: Vm) -> str:
        return vm.metadata["startup-script"]

    def cores_and_mib(self, vm: Vm) -> tuple[int, int]:
        return vm.machine_type.cpus, vm.machine_type.memory_mib

    def is_on(self, vm: Vm) -> bool:
        return vm.status == "RUNNING"

    def switch_off(self, vm: Vm) -> None:
        vm.status = "TERMINATED"

    def left_over(self) -> list[str]:
        state = self.gcp.state
        found = [f"VM {vm.name} {vm.status}" for vm in state.vms.values()]
        return found + [f"disk {name}" for _, name in state.disks]

    def label(self, method: str, path: str) -> str:
        found = _CALL.search(path)
        assert found is not None, path
        kind = found[1].removesuffix("s") if found[2] else found[1]
        return f"{method} {found[3][1:] if found[3] else kind}"
