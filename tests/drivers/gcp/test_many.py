"""Many VMs under injected errors: each is created and removed, and nothing is leaked or created twice."""

from __future__ import annotations

import os
from dataclasses import replace

from herder.drivers.gcp.opening import opened
from herder.model.fleet.driver import DriverContext
from herder.testing.fakes import InProcessTransport
from herder.testing.gcp import Gcp, small_project
from tests.drivers.gcp.lab import SETTINGS, Clock, GivenToken, spec
from tests.drivers.many_machines import ODDS, Faulty, all_gone, all_running

VMS = int(os.environ.get("HERDER_GCP_VMS", "60"))
ZONES = SETTINGS.zone_names


def test_many_vms_come_and_go_under_errors() -> None:
    clock = Clock()
    limits = dict.fromkeys(("CPUS", "PREEMPTIBLE_CPUS", "SSD_TOTAL_GB", "INSTANCES"), 1e6)
    gcp = Gcp(small_project(quotas=limits), now_ms=clock.ms)
    wire = Faulty(InProcessTransport(gcp, clock.now_ms))
    context = DriverContext(name="gcp", installation="lab", clock=clock)
    driver = opened(
        replace(SETTINGS, calls_per_s=1_000), context, GivenToken(), transport=wire, pause=lambda _s: None
    )
    specs = [spec(f"burst-1-{n}", zone=ZONES[n % 3], spot=bool(n % 2)) for n in range(VMS)]
    machines = all_running(driver, clock, specs)
    gcp.step(clock.ms)
    assert sorted(vm.status for vm in gcp.state.vms.values()) == ["RUNNING"] * VMS
    all_gone(driver, clock, machines)
    driver.close()
    assert (gcp.state.vms, gcp.state.disks) == ({}, {})
    assert wire.faults > wire.calls * ODDS / 2
