"""The simulated world whose provider is a played workspace of Terra."""

from __future__ import annotations

import re
from typing import Any

import httpx

from herder.drivers.terra.opening import opened
from herder.drivers.terra.resources import Metadata, facts_in
from herder.drivers.terra.resources import Vm as SeenVm
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.pool import PoolSpec
from herder.remote.clouds.facts import Facts
from herder.remote.clouds.records import read_as
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.testing.fakes.user_data import script_in
from herder.testing.terra import REGION, TOKEN, WORKSPACE, Terra, Vm
from tests.clouds.simulated import CloudWorld, GivenToken, pool_of
from tests.drivers.terra.lab import OPTIONS, SETTINGS

DRIVER = "terra"
POOL = pool_of(DRIVER, OPTIONS, (REGION,))
_CALL = re.compile(r"/(resources|vm|create-result|delete-result|jobs)(/[^/]+)?$")


class TerraWorld(CloudWorld):
    DRIVER = DRIVER

    def __init__(self, seed: int = 1, *, pools: tuple[PoolSpec, ...] = (POOL,), **more: Any) -> None:
        self.terra = Terra()
        self._facts: dict[str, Facts] = {}
        super().__init__(self.terra, seed, pools=pools, **more)

    def opened(self, context: DriverContext, wire: httpx.BaseTransport) -> Driver:
        return opened(SETTINGS, context, GivenToken(TOKEN), transport=wire, pause=lambda _s: None)

    def vms(self) -> list[Vm]:
        return [vm for _, vm in sorted(self.terra.state.vms.items())]

    def facts_of(self, vm: Vm) -> Facts:
        """As they were first: people may have removed the properties meanwhile."""
        metadata = read_as(Metadata, {"resourceId": vm.id, "properties": vm.marks}, DRIVER)
        found = facts_in(SeenVm(metadata=metadata), WORKSPACE, INSTALLATION)
        if found is not None:
            self._facts[vm.id] = found
        return self._facts[vm.id]

    def script_of(self, vm: Vm) -> str:
        return script_in(vm.custom_data)

    def cores_and_mib(self, vm: Vm) -> tuple[int, int]:
        assert vm.size is not None
        return vm.size.cpus, int(vm.size.memory_gib * 1024)

    def is_on(self, vm: Vm) -> bool:
        return vm.power == "running"

    def switch_off(self, vm: Vm) -> None:
        vm.power = "stopped"

    def left_over(self) -> list[str]:
        return [f"VM {vm.name} {vm.state} {vm.power}" for vm in self.terra.state.vms.values()]

    def label(self, method: str, path: str) -> str:
        found = _CALL.search(path)
        return f"{method} {found[1] if found is not None else 'workspace'}"
