"""The MCP driver keeps the contract, against a played MCP server over streamable HTTP whose tools act on a played Proxmox."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.drivers.mcp import McpDriver
from herder.model.fleet.driver import Driver, Machine
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.testing.driver_contract import DriverContract
from herder.testing.mcp import McpRule
from herder.testing.mcp.faults import DIE
from tests.drivers.mcp.lab import Site

OPTIONS = (("template", "talos-worker"),)


@pytest.mark.slow
class TestMcpDriver(DriverContract):
    """`partial` and `lagging` are those of the suite of Proxmox: the machines are the same code."""

    @pytest.fixture
    def site(self) -> Iterator[Site]:
        found = Site()
        yield found
        found.close()

    @pytest.fixture
    def driver(self, site: Site) -> McpDriver:
        self.site = site
        return site.driver()

    def spec(self, name: str) -> WorkerSpec:
        return replace(super().spec(name), driver_options=OPTIONS, bootstrap="talos")

    def pass_time(self, driver: Any) -> None:
        self.site.clock.ms += 5_000

    def reopen(self, driver: Any) -> McpDriver:
        return self.site.driver()

    def slow(self, driver: Any) -> McpDriver:
        return self.site.driver()

    def stranger(self, driver: Any) -> McpDriver:
        return self.site.driver("theirs")

    def broken(self, driver: Any) -> McpDriver:
        return self.site.driver(url="http://127.0.0.1:9/mcp")

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        tool = "clone_vm" if verb == "create" else "stop_vm"
        self.site.faults.rules.append(McpRule(does=DIE, tool=tool, acts=True))
        return driver

    def hanging(self, driver: Any, verb: str) -> tuple[Driver, Callable[[], None]]:
        let_go, create, calls = threading.Event(), driver.create, []

        def hangs_once(*arguments: Any) -> Machine:
            calls.append(arguments)
            if len(calls) == 1:
                let_go.wait(10)
            return create(*arguments)

        driver.create = hangs_once
        return driver, let_go.set

    def leftovers(self, driver: Any, worker: WorkerName) -> list[str]:
        return [str(vmid) for vmid in self.site.cluster.state.vms if vmid >= 20_000]

    def public_text(self, driver: Any, worker: WorkerName) -> str:
        return json.dumps([vm.config for vm in self.site.cluster.state.vms.values()])
