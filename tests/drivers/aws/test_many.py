"""Many instances under injected errors: each is created and removed, and nothing is leaked or created twice."""

from __future__ import annotations

import os

from herder.drivers.aws.opening import opened
from herder.model.fleet.driver import DriverContext
from herder.testing.aws import Aws
from herder.testing.fakes import InProcessTransport
from tests.drivers.aws.lab import SETTINGS, GivenKeys, spec
from tests.drivers.gcp.lab import Clock
from tests.drivers.many_machines import ODDS, Faulty, all_gone, all_running

INSTANCES = int(os.environ.get("HERDER_AWS_INSTANCES", "60"))


def test_many_instances_come_and_go_under_errors() -> None:
    clock = Clock()
    aws = Aws(now_ms=clock.ms)
    aws.cpus_limit = aws.spot_cpus_limit = 10**6
    wire = Faulty(InProcessTransport(aws, clock.now_ms))
    context = DriverContext(name="aws", installation="lab", clock=clock)
    driver = opened(SETTINGS, context, GivenKeys(clock), transport=wire, pause=lambda _s: None)
    specs = [spec(f"burst-1-{n}", zone=aws.zones[n % 3], spot=bool(n % 2)) for n in range(INSTANCES)]
    machines = all_running(driver, clock, specs)
    aws.step(clock.ms)
    assert sorted(each.state for each in aws.instances.values()) == ["running"] * INSTANCES
    all_gone(driver, clock, machines)
    driver.close()
    aws.step(clock.ms + 60_000)
    assert {each.state for each in aws.instances.values()} <= {"terminated"}
    assert wire.faults > wire.calls * ODDS / 2
