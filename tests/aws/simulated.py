"""The simulated world whose provider is a played region of AWS."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import httpx

from herder.drivers.aws.instances import facts_in
from herder.drivers.aws.opening import opened
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.pool import PoolSpec
from herder.remote.clouds.facts import Facts
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.testing.aws import Aws
from herder.testing.aws.reads import tag_set
from herder.testing.aws.state import Instance, tags_in
from herder.testing.fakes.user_data import script_in
from tests.clouds.simulated import CloudWorld, pool_of
from tests.drivers.aws.lab import OPTIONS, SETTINGS, GivenKeys

DRIVER = "aws"
ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
POOL = pool_of(DRIVER, OPTIONS, ZONES)


class AwsWorld(CloudWorld):
    DRIVER = DRIVER

    def __init__(self, seed: int = 1, *, pools: tuple[PoolSpec, ...] = (POOL,), **more: Any) -> None:
        self.aws = Aws()
        super().__init__(self.aws, seed, pools=pools, **more)

    def opened(self, context: DriverContext, wire: httpx.BaseTransport) -> Driver:
        return opened(SETTINGS, context, GivenKeys(context.clock), transport=wire, pause=lambda _s: None)

    def vms(self) -> list[Instance]:
        """One that is ending is none: the next one may be there before its end."""
        return [each for each in self.aws.instances.values() if each.counts]

    def facts_of(self, vm: Instance) -> Facts:
        """As it was asked for: people may have removed the tags meanwhile."""
        found = facts_in({"tagSet": tag_set(tags_in(vm.form, "instance"))}, INSTALLATION)
        assert found is not None
        return found

    def script_of(self, vm: Instance) -> str:
        return script_in(base64.b64decode(vm.form["UserData"]).decode())

    def cores_and_mib(self, vm: Instance) -> tuple[int, int]:
        return vm.cpus, vm.cpus * 4_096

    def is_on(self, vm: Instance) -> bool:
        return vm.state == "running"

    def switch_off(self, vm: Instance) -> None:
        self.aws.shut_down(vm)

    def left_over(self) -> list[str]:
        rows = self.aws.instances.values()
        found = [f"instance {each.id} {each.state}" for each in rows if each.state != "terminated"]
        return found + [f"volume {name}" for name in self.aws.volumes]

    def call_of(self, request: httpx.Request) -> str:
        if target := request.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        words = request.url.query or request.content
        return parse_qs(words.decode())["Action"][0]
