"""Many VMs under injected errors: each is created and removed, and nothing is leaked or created twice."""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import httpx

from herder.drivers.gcp import GcpDriver
from herder.drivers.gcp.opening import opened
from herder.model.fleet.driver import (
    DriverContext,
    DriverError,
    Machine,
    NotFound,
    OutcomeUnknown,
    Phase,
)
from herder.model.ids import WorkerName
from herder.testing.fakes import InProcessTransport
from herder.testing.gcp import Gcp, small_project
from tests.drivers.gcp.lab import SETTINGS, Clock, GivenToken, spec, start

VMS = int(os.environ.get("HERDER_GCP_VMS", "60"))
ODDS = 0.1
ZONES = SETTINGS.zone_names


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


def _step(driver: GcpDriver, name: WorkerName, number: int, machine: Machine | None) -> Machine | None:
    """As the server goes on with one that it creates. None: it is created anew."""
    try:
        if machine is None:
            return driver.create(spec(name, zone=ZONES[number % 3], spot=bool(number % 2)), start())
        return driver.get(name, machine.operation)
    except OutcomeUnknown:
        try:
            return driver.get(name)
        except DriverError:
            return machine
    except NotFound:
        return None
    except DriverError:
        return machine


def _end(driver: GcpDriver, name: WorkerName, machine: Machine) -> Machine | None:
    """None: nothing is left of it."""
    try:
        return driver.get(name, machine.operation) if machine.phase is Phase.STOPPING else driver.delete(name)
    except NotFound:
        return None
    except DriverError:
        return machine


def test_many_vms_come_and_go_under_errors() -> None:
    clock = Clock()
    limits = dict.fromkeys(("CPUS", "PREEMPTIBLE_CPUS", "SSD_TOTAL_GB", "INSTANCES"), 1e6)
    gcp = Gcp(small_project(quotas=limits), now_ms=clock.ms)
    wire = Faulty(InProcessTransport(gcp, clock.now_ms))
    context = DriverContext(name="gcp", installation="lab", clock=clock)
    driver = opened(
        replace(SETTINGS, calls_per_s=1_000), context, GivenToken(), transport=wire, pause=lambda _s: None
    )
    names = [WorkerName(f"burst-1-{number}") for number in range(VMS)]
    machines: dict[WorkerName, Machine | None] = dict.fromkeys(names)
    for _ in range(200):
        for number, name in enumerate(names):
            machine = machines[name]
            if machine is None or machine.phase is not Phase.RUNNING:
                machines[name] = _step(driver, name, number, machine)
        clock.ms += 2_000
        if all(each is not None and each.phase is Phase.RUNNING for each in machines.values()):
            break
    gcp.step(clock.ms)
    assert sorted(vm.status for vm in gcp.state.vms.values()) == ["RUNNING"] * VMS
    left = {name: machine for name, machine in machines.items() if machine is not None}
    for _ in range(200):
        after = {name: _end(driver, name, machine) for name, machine in left.items()}
        left = {
            name: machine
            for name, machine in after.items()
            if machine is not None and machine.phase is not Phase.GONE
        }
        clock.ms += 2_000
        if not left:
            break
    driver.close()
    assert (left, gcp.state.vms, gcp.state.disks) == ({}, {}, {})
    assert wire.faults > wire.calls * ODDS / 2
