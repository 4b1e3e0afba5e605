"""The simulated world whose provider is a played subscription of Azure."""

from __future__ import annotations

import re
from typing import Any

import httpx

from herder.drivers.azure.opening import opened
from herder.drivers.azure.resources import facts_of_tags
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.pool import PoolSpec
from herder.remote.clouds.facts import Facts
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.testing.azure import TOKEN, Azure, Vm
from herder.testing.fakes.user_data import script_in
from tests.clouds.simulated import CloudWorld, GivenToken, pool_of
from tests.drivers.azure.lab import OPTIONS, SETTINGS

DRIVER = "azure"
POOL = pool_of(DRIVER, OPTIONS, SETTINGS.zone_names)
_CALL = re.compile(
    r"/(virtualMachines|networkInterfaces|publicIPAddresses|disks|operations|skus|usages|prices|resourceGroups)(/[^/]+)?(/restart)?$"
)


class AzureWorld(CloudWorld):
    DRIVER = DRIVER

    def __init__(self, seed: int = 1, *, pools: tuple[PoolSpec, ...] = (POOL,), **more: Any) -> None:
        self.azure = Azure()
        self._facts: dict[str, Facts] = {}
        super().__init__(self.azure, seed, pools=pools, **more)

    def opened(self, context: DriverContext, wire: httpx.BaseTransport) -> Driver:
        return opened(SETTINGS, context, GivenToken(TOKEN), transport=wire, pause=lambda _s: None)

    def vms(self) -> list[Vm]:
        return [vm for _, vm in sorted(self.azure.state.vms.items())]

    def facts_of(self, vm: Vm) -> Facts:
        """As they were first: people may have removed the tags meanwhile."""
        found = facts_of_tags(vm.tags, INSTALLATION)
        if found is not None:
            self._facts[vm.name] = found
        return self._facts[vm.name]

    def script_of(self, vm: Vm) -> str:
        return script_in(vm.custom_data)

    def cores_and_mib(self, vm: Vm) -> tuple[int, int]:
        return vm.size.cpus, int(vm.size.memory_gib * 1024)

    def is_on(self, vm: Vm) -> bool:
        return vm.power == "running"

    def switch_off(self, vm: Vm) -> None:
        vm.power = "stopped"

    def left_over(self) -> list[str]:
        state = self.azure.state
        found = [f"VM {vm.name} {vm.provisioning} {vm.power}" for vm in state.vms.values()]
        return found + [f"{kind} {name}" for kind, name in state.parts]

    def label(self, method: str, path: str) -> str:
        found = _CALL.search(path)
        assert found is not None, path
        kind = found[1].removesuffix("s") if found[2] else found[1]
        return f"{method} {found[3][1:] if found[3] else kind}"
