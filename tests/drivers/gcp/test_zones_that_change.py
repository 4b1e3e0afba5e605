"""Zones that are taken out of the settings while VMs or disks are there, and zones that Google does not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from herder.drivers.gcp import GcpDriver
from herder.drivers.gcp.errors import NoSuchZone
from herder.model.fleet.driver import NotFound, Phase, Unavailable
from herder.testing.fakes import Rule
from tests.drivers.gcp.lab import ZONE, Lab
from tests.drivers.gcp.test_faults import WORKER

OTHERS = "us-central1-a"


def test_a_vm_in_a_zone_that_was_taken_out_is_found_after_a_restart(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver, zone=ZONE)
    assert lab.driver(zones=OTHERS).get(WORKER).phase is Phase.RUNNING
    later = lab.driver(zones=OTHERS)
    with pytest.raises(NotFound):
        lab.settled(later, later.delete(WORKER))
    assert (lab.gcp.state.vms, lab.gcp.state.disks) == ({}, {})


def test_a_deletion_in_such_a_zone_is_begun_again(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver, zone=ZONE)
    lab.gcp.faults.add(Rule(operation="delete", code="INTERNAL_ERROR", text="Internal error."))
    removed = driver.delete(WORKER)
    vm = next(iter(lab.gcp.state.vms.values()))
    vm.status = "RUNNING"
    lab.jump(60)
    vm.body["labels"] = {}
    later = lab.driver(zones=OTHERS)
    with pytest.raises(NotFound):
        lab.settled(later, later.get(WORKER, removed.operation))
    assert (lab.gcp.state.vms, lab.gcp.state.disks) == ({}, {})


def test_a_disk_that_is_left_in_such_a_zone_is_removed(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver, zone=ZONE)
    (disk,) = lab.gcp.state.disks.values()
    disk.auto_delete = False
    lab.gcp.state.remove(next(iter(lab.gcp.state.vms.values())))
    later = lab.driver(zones=OTHERS)
    for _ in range(6):
        found = later.list()
        lab.jump(200)
    assert [each.phase for each in found] == [Phase.FAILED]
    with pytest.raises(NotFound):
        lab.settled(later, later.delete(WORKER))
    assert lab.gcp.state.disks == {}


def test_a_zone_that_google_does_not_have_keeps_nothing_from_its_end(lab: Lab) -> None:
    driver = lab.driver(zones=f"europe-north9-a, {ZONE}")
    lab.running(driver, zone=ZONE)
    later = lab.driver(zones=f"europe-north9-a, {ZONE}")
    assert later.get(WORKER).phase is Phase.RUNNING
    with pytest.raises(NotFound):
        lab.settled(later, later.delete(WORKER))
    assert lab.gcp.state.vms == {}


def test_a_zone_that_is_down_or_does_not_exist_makes_no_driver_unusable(lab: Lab) -> None:
    """Without health nothing is swept, in no zone."""
    driver = lab.driver(zones=f"europe-north9-a, {ZONE}, us-central1-a")
    driver.health()
    down = {"name": ZONE, "status": "DOWN"}
    lab.gcp.faults.add(Rule(path=f"/zones/{ZONE}$", status=200, body=down, times=-1))
    driver.health()
    with pytest.raises(Unavailable, match=f"Zone {ZONE} of Google Cloud is down"):
        lab.driver(zones=ZONE).health()
    with pytest.raises(NoSuchZone):
        lab.driver(zones=f"europe-north9-a, {ZONE}").health()


def test_a_vm_that_goes_while_its_deletion_is_asked_for_leaves_nothing(
    lab: Lab, driver: GcpDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.running(driver)
    next(iter(lab.gcp.state.disks.values())).auto_delete = False
    delete = driver._api.delete

    def late(zone: str, name: str) -> object:
        lab.gcp.state.remove(lab.gcp.state.vms[zone, name])
        return delete(zone, name)

    monkeypatch.setattr(driver._api, "delete", late)
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.gcp.state.disks == {}


def test_copies_of_a_disk_are_not_ours(lab: Lab, driver: GcpDriver) -> None:
    """They carry its description: each listing would count them as machines that belong to no worker, and freeze the driver."""
    lab.running(driver)
    ((zone, _), disk) = next(iter(lab.gcp.state.disks.items()))
    for number in range(4):
        copy = replace(disk, name=f"copy-{number}", user="")
        lab.gcp.state.disks[zone, copy.name] = copy
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    for _ in range(6):
        assert len(driver.list()) == 0
        lab.jump(200)
    assert len(lab.gcp.state.disks) == 4
