"""Many VMs under injected errors: each is created and removed, and nothing is leaked or created twice."""

from __future__ import annotations

import os
from dataclasses import replace

from herder.drivers.terra.opening import opened
from herder.model.fleet.driver import DriverContext
from herder.testing.fakes import InProcessTransport
from herder.testing.terra import TOKEN, Inventory, Terra
from tests.drivers.many_machines import ODDS, Faulty, all_gone, all_running
from tests.drivers.terra.lab import SETTINGS, Clock, GivenToken, spec

VMS = int(os.environ.get("HERDER_TERRA_VMS", "60"))


def test_many_vms_come_and_go_under_errors() -> None:
    clock = Clock()
    quotas = dict.fromkeys(Inventory().quotas, 10**6)
    terra = Terra(Inventory(quotas=quotas), now_ms=clock.ms)
    wire = Faulty(InProcessTransport(terra, clock.now_ms))
    context = DriverContext(name="terra", installation="lab", clock=clock)
    settings = replace(SETTINGS, calls_per_s=1_000)
    driver = opened(settings, context, GivenToken(TOKEN), transport=wire, pause=lambda _s: None)
    machines = all_running(driver, clock, [spec(f"burst-1-{n}", spot=bool(n % 2)) for n in range(VMS)])
    terra.step(clock.ms)
    assert sorted(vm.power for vm in terra.state.vms.values()) == ["running"] * VMS
    assert len(terra.state.jobs) == VMS, "no creation was begun twice"
    all_gone(driver, clock, machines)
    driver.close()
    assert terra.state.vms == {}
    assert wire.faults > wire.calls * ODDS / 2
