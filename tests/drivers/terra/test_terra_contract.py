"""The Terra driver keeps the contract, against the played workspace."""

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
from herder.testing.terra import TerraTimes
from tests.drivers.terra.lab import OPTIONS, Lab

PATHS = {"create": "/azure/vm$", "delete": "/azure/vm/[-0-9a-f]+$"}


class TestTerraDriver(DriverContract):
    @pytest.fixture
    def driver(self) -> Iterator[Driver]:
        self.lab = Lab(times=TerraTimes(create_ms=3_000, delete_ms=2_000))
        yield self.lab.driver()
        self.lab.close()

    def spec(self, name: str) -> WorkerSpec:
        return replace(super().spec(name), driver_options=OPTIONS)

    def pass_time(self, driver: Driver) -> None:
        """Of several threads at once together less than the deadline of one call."""
        self.lab.jump(0.5)

    def reopen(self, driver: Driver) -> Driver:
        return self.lab.driver()

    def slow(self, driver: Driver) -> Driver:
        return self.lab.driver()

    def stranger(self, driver: Driver) -> Driver:
        return self.lab.driver(installation="theirs")

    def broken(self, driver: Driver) -> Driver:
        return self.lab.driver(down=True)

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        self.lab.terra.faults.add(Rule(method="POST", path=PATHS[verb], lose_answer=True))
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
        return list(self.lab.terra.state.vms)

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        """Everybody in the workspace reads what is common to resources."""
        return json.dumps([vm.body["common"] for vm in self.lab.terra.state.vms.values()])
