"""The AWS driver keeps the contract, against the played region."""

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
from tests.drivers.aws.lab import OPTIONS, Lab

VERBS = {"create": "RunInstances", "delete": "TerminateInstances"}


class TestAwsDriver(DriverContract):
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
        self.lab.aws.listing_lag_ms = 60_000
        return self.lab.driver()

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        self.lab.aws.faults.add(Rule(path=VERBS[verb], lose_answer=True))
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
        return [each.id for each in self.lab.aws.instances.values() if each.state != "terminated"]

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        """Tags are in bills; user data is read only by those who may read attributes of instances."""
        return json.dumps([each.tags for each in self.lab.aws.instances.values()])
