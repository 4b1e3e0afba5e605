"""Many VMs under injected errors: each is created and removed, and nothing is leaked or created twice."""

from __future__ import annotations

import os
from dataclasses import replace

from herder.drivers.azure.opening import opened
from herder.model.fleet.driver import DriverContext
from herder.testing.azure import TOKEN, Azure, small_subscription
from herder.testing.fakes import InProcessTransport
from tests.drivers.azure.lab import SETTINGS, Clock, GivenToken, spec
from tests.drivers.many_machines import ODDS, Faulty, all_gone, all_running

VMS = int(os.environ.get("HERDER_AZURE_VMS", "60"))
ZONES = SETTINGS.zone_names


def test_many_vms_come_and_go_under_errors() -> None:
    clock = Clock()
    azure = Azure(small_subscription(quotas={"cores": 10**6}), now_ms=clock.ms)
    wire = Faulty(InProcessTransport(azure, clock.now_ms))
    context = DriverContext(name="azure", installation="lab", clock=clock)
    driver = opened(
        replace(SETTINGS, calls_per_s=1_000),
        context,
        GivenToken(TOKEN),
        transport=wire,
        pause=lambda _s: None,
    )
    specs = [spec(f"burst-1-{n}", zone=ZONES[n % 3], spot=bool(n % 2)) for n in range(VMS)]
    machines = all_running(driver, clock, specs)
    azure.step(clock.ms)
    assert sorted(vm.power for vm in azure.state.vms.values()) == ["running"] * VMS
    all_gone(driver, clock, machines)
    driver.close()
    assert (azure.state.vms, azure.state.parts) == ({}, {})
    assert wire.faults > wire.calls * ODDS / 2
