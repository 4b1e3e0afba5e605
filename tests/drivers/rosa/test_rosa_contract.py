"""The ROSA driver keeps the contract, against a played OCM and a played cluster: classic and HCP."""

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
from herder.testing.ocm import CLASSIC, HCP
from tests.drivers.rosa.lab import OPTIONS, Lab


class TestRosaDriverOnHcp(DriverContract):
    rosa_cluster = HCP

    @pytest.fixture
    def driver(self) -> Iterator[Driver]:
        self.lab = Lab(self.rosa_cluster)
        yield self.lab.driver()
        self.lab.close()

    def spec(self, name: str) -> WorkerSpec:
        return replace(super().spec(name), driver_options=OPTIONS)

    def pass_time(self, driver: Driver) -> None:
        self.lab.jump(60)

    def reopen(self, driver: Driver) -> Driver:
        return self.lab.driver()

    def slow(self, driver: Driver) -> Driver:
        return self.lab.driver()

    def stranger(self, driver: Driver) -> Driver:
        return self.lab.driver(installation="theirs")

    def broken(self, driver: Driver) -> Driver:
        return self.lab.driver(down="ocm")

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        self.lab.rule(path="/configmaps", method="POST" if verb == "create" else "PUT", lose_answer=True)
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
        return [node for node, name in self.lab.nodes().items() if name == worker]

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        pools = [pool.body for pool in self.lab.ocm.state.pools.values()]
        return json.dumps(
            [pools, self.lab.ask("GET", "/api/v1/configmaps"), self.lab.ask("GET", "/api/v1/nodes")]
        )


class TestRosaDriverOnClassic(TestRosaDriverOnHcp):
    rosa_cluster = CLASSIC

    def broken(self, driver: Driver) -> Driver:
        return self.lab.driver(down="cluster")
