"""Many machines under injected errors: what a server does with each of them, without the server. For tests of drivers of clouds."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import httpx

from herder.model.fleet.driver import (
    Driver,
    DriverError,
    Machine,
    NotFound,
    OutcomeUnknown,
    Phase,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from tests.drivers.gcp.lab import Clock, start

ODDS = 0.1
TURNS = 200


class Faulty(httpx.BaseTransport):
    """One call in ten is refused, loses its answer, or is answered with an error, before or after it has acted."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner, self._random = inner, Random(1)
        self.faults = self.calls = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        if self._random.random() >= ODDS:
            return self._inner.handle_request(request)
        self.faults += 1
        kind = self._random.randrange(5)
        if kind == 0:
            raise httpx.ConnectError("refused", request=request)
        if kind == 1:
            return httpx.Response(429, json={}, headers={"Retry-After": "1"}, request=request)
        answer = httpx.Response(503, json={}, request=request)
        if kind == 2:
            return answer
        self._inner.handle_request(request)
        if kind == 3:
            return answer
        raise httpx.ReadError("the answer was lost", request=request)


def _step(driver: Driver, spec: WorkerSpec, machine: Machine | None) -> Machine | None:
    """As the server goes on with one that it creates. None: it is created anew."""
    try:
        if machine is None:
            return driver.create(spec, start())
        return driver.get(spec.name, machine.operation)
    except OutcomeUnknown:
        try:
            return driver.get(spec.name)
        except DriverError:
            return machine
    except NotFound:
        return None
    except DriverError:
        return machine


def _end(driver: Driver, name: WorkerName, machine: Machine) -> Machine | None:
    """None: nothing is left of it."""
    try:
        return driver.get(name, machine.operation) if machine.phase is Phase.STOPPING else driver.delete(name)
    except NotFound:
        return None
    except DriverError:
        return machine


def all_running(driver: Driver, clock: Clock, specs: Sequence[WorkerSpec]) -> dict[WorkerName, Machine]:
    """When each of them runs."""
    machines: dict[WorkerName, Machine | None] = dict.fromkeys(each.name for each in specs)
    for _ in range(TURNS):
        for spec in specs:
            machine = machines[spec.name]
            if machine is None or machine.phase is not Phase.RUNNING:
                machines[spec.name] = _step(driver, spec, machine)
        clock.ms += 2_000
        found = {
            name: each for name, each in machines.items() if each is not None and each.phase is Phase.RUNNING
        }
        if len(found) == len(specs):
            return found
    raise AssertionError(f"not all of them run: {machines}")


def all_gone(driver: Driver, clock: Clock, machines: dict[WorkerName, Machine]) -> None:
    """When nothing of them is left."""
    for _ in range(TURNS):
        after = {name: _end(driver, name, machine) for name, machine in machines.items()}
        machines = {
            name: machine
            for name, machine in after.items()
            if machine is not None and machine.phase is not Phase.GONE
        }
        clock.ms += 2_000
        if not machines:
            return
    raise AssertionError(f"they are still there: {machines}")
