"""The Proxmox driver keeps the contract, against a small Proxmox behind an httpx transport."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.model.fleet.driver import Driver, Machine
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.testing.driver_contract import DriverContract
from tests.drivers.proxmox.fake import FakeProxmox
from tests.drivers.proxmox.lab import Lab


class TestProxmoxDriver(DriverContract):
    """`partial`: a part of a listing comes with a node that is offline, of whose VMs `get` can say nothing (test_faults)."""

    @pytest.fixture
    def driver(self) -> Iterator[Driver]:
        self.lab, self.fake, self.unhurried = Lab(), FakeProxmox(), FakeProxmox(task_ms=30_000)
        yield self.lab.driver(self.fake)
        self.lab.close()

    def spec(self, name: str) -> WorkerSpec:
        return replace(super().spec(name), driver_options=(("template", "medium"),))

    def pass_time(self, driver: Driver) -> None:
        self.unhurried.jump(30_000)
        self.fake.hidden.clear()

    def reopen(self, driver: Driver) -> Driver:
        return self.lab.driver(self.of(driver))

    def of(self, driver: Driver) -> FakeProxmox:
        return self.unhurried if driver._context.clock is self.unhurried.clock else self.fake

    def stranger(self, driver: Driver) -> Driver:
        return self.lab.driver(self.fake, installation="theirs")

    def broken(self, driver: Driver) -> Driver:
        return self.lab.driver(self.fake, down=True)

    def slow(self, driver: Driver) -> Driver:
        return self.lab.driver(self.unhurried)

    def lagging(self, driver: Driver) -> Driver:
        lagging, create = self.lab.driver(self.fake), driver.create

        def hides(*arguments: Any) -> Machine:
            machine = create(*arguments)
            self.fake.hidden.add(int(machine.handle))
            return machine

        create, lagging.create = lagging.create, hides
        return lagging

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        self.fake.lose.append("POST .*clone" if verb == "create" else "POST .*stop")
        return driver

    def hanging(self, driver: Driver, verb: str) -> tuple[Driver, Callable[[], None]]:
        let_go, create, calls = threading.Event(), driver.create, []

        def hangs_once(*arguments: Any) -> Machine:
            calls.append(arguments)
            if len(calls) == 1:
                let_go.wait(10)
            return create(*arguments)

        driver.create = hangs_once
        return driver, let_go.set

    def leftovers(self, driver: Driver, worker: WorkerName) -> list[str]:
        fake = self.of(driver)
        return [str(vm.vmid) for vm in fake.made()] + [volume for _, volume in fake.images]

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        return json.dumps([vm.config for vm in self.of(driver).made()])
