"""The Google Cloud driver keeps the contract, against the played project."""

from __future__ import annotations

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
from herder.testing.fakes import Rule
from tests.drivers.gcp.lab import OPTIONS, ZONE, Lab

VERBS = {"create": ("POST", "/instances$"), "delete": ("DELETE", "/instances/")}


class TestGcpDriver(DriverContract):
    @pytest.fixture
    def driver(self) -> Iterator[Driver]:
        self.lab = Lab()
        yield self.lab.driver()
        self.lab.close()

    def spec(self, name: str) -> WorkerSpec:
        return replace(super().spec(name), driver_options=OPTIONS)

    def pass_time(self, driver: Driver) -> None:
        self.lab.jump(3)

    def reopen(self, driver: Driver) -> Driver:
        return self.lab.driver()

    def slow(self, driver: Driver) -> Driver:
        return self.lab.driver()

    def stranger(self, driver: Driver) -> Driver:
        return self.lab.driver(installation="theirs")

    def broken(self, driver: Driver) -> Driver:
        return self.lab.driver(down=True)

    def lagging(self, driver: Driver) -> Driver:
        self.lab.gcp.state.listing_lag_ms = 60_000
        return self.lab.driver()

    def partial(self, driver: Driver) -> Driver:
        self.lab.gcp.state.unreachable.add(ZONE)
        return self.lab.driver()

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        method, path = VERBS[verb]
        self.lab.gcp.faults.add(Rule(method=method, path=path, lose_answer=True))
        return driver

    def hanging(self, driver: Driver, verb: str) -> tuple[Driver, Callable[[], None]]:
        let_go, create, calls = threading.Event(), driver.create, []

        def hangs_once(*arguments: Any) -> Machine:
            calls.append(arguments)
            if len(calls) == 1:
                let_go.wait(10)
            return create(*arguments)

        driver.create = hangs_once  # type: ignore[method-assign]
        return driver, let_go.set

    def leftovers(self, driver: Driver, worker: WorkerName) -> list[str]:
        state = self.lab.gcp.state
        return [name for _, name in (*state.vms, *state.disks)]

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        """Names and labels are in bills and logs; metadata is read only by those who may read VMs."""
        state = self.lab.gcp.state
        labels = [vm.body["labels"] for vm in state.vms.values()]
        return json.dumps([labels, *([disk.labels, disk.description] for disk in state.disks.values())])
