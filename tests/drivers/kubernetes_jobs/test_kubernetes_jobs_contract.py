"""The driver for Kubernetes Jobs keeps the contract, against the API server in this process."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.model.fleet.creation import Step
from herder.model.fleet.driver import Driver, Machine, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.testing.driver_contract import DriverContract
from herder.testing.kubernetes import ClusterSettings
from tests.drivers.kubernetes_jobs.lab import Lab


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def unhurried() -> Iterator[Lab]:
    lab = Lab(ClusterSettings(job_pod_runs_ms=3_600_000, start_pod_ms=60_000))
    yield lab
    lab.close()


class TestKubernetesJobsDriver(DriverContract):
    @pytest.fixture
    def driver(self, shared: Lab, unhurried: Lab) -> Driver:
        self.lab, self.unhurried = shared, unhurried
        return shared.driver()

    def pass_time(self, driver: Driver) -> None:
        if driver._connection.url == self.unhurried.server.url:
            self.unhurried.jump(30_000)
        threading.Event().wait(0.01)

    def spec(self, name: str) -> WorkerSpec:
        return replace(super().spec(name), slots=1)

    def reopen(self, driver: Driver) -> Driver:
        return (self.lab if driver._connection.url == self.lab.server.url else self.unhurried).driver()

    def stranger(self, driver: Driver) -> Driver:
        return self.lab.driver(installation="theirs")

    def broken(self, driver: Driver) -> Driver:
        return self.lab.driver(url="http://127.0.0.1:9")

    def slow(self, driver: Driver) -> Driver:
        """Its creation answers when the pod is scheduled, so that no step passes between two looks."""
        slow, lab = self.unhurried.driver(), self.unhurried
        create = slow.create

        def settled(spec: WorkerSpec, start: StartData) -> Machine:
            create(spec, start)
            lab.until(lambda: slow.get(spec.name).step is not Step.CREATE)
            return slow.get(spec.name)

        slow.create = settled
        return slow

    def cut_off(self, driver: Driver, verb: str) -> Driver:
        self.lab.rule(path="/jobs/", method="PATCH" if verb == "create" else "DELETE", lose_answer=True)
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
        return self.lab.of_worker(worker)

    def public_text(self, driver: Driver, worker: WorkerName) -> str:
        """What a reader of the namespace without the right to read Secrets sees."""
        return json.dumps([self.lab.items(kind) for kind in ("batch/v1/jobs", "v1/pods", "v1/events")])
