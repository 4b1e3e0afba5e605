"""Disks that are left when their VM is not there any more: found, shown, and removed."""

from __future__ import annotations

import pytest

from herder.drivers.gcp import GcpDriver
from herder.model.fleet.driver import NotFound, Phase, Unavailable
from tests.drivers.gcp.lab import Lab, spec, start
from tests.drivers.gcp.test_faults import WORKER


def test_a_disk_that_stays_is_found_and_removed(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    lab.running(lab.driver(installation="theirs"))
    for disk in lab.gcp.state.disks.values():
        disk.auto_delete = False
    for vm in list(lab.gcp.state.vms.values()):
        lab.gcp.state.remove(vm)
    seen = []
    for _ in range(6):
        seen.append([each.phase for each in driver.list()])
        lab.jump(200)
    assert seen[0] == []
    assert seen[-1] == [Phase.FAILED]
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert [disk.labels["herder-installation"] for disk in lab.gcp.state.disks.values()] == ["theirs"]
    assert len(driver.list()) == 0


def test_disks_that_cannot_be_listed_are_told_once(
    lab: Lab, driver: GcpDriver, caplog: pytest.LogCaptureFixture
) -> None:
    lab.running(driver)
    lab.gcp.state.missing.add("compute.disks.list")
    for _ in range(2):
        assert [each.worker for each in driver.list()] == [WORKER]
    (told,) = [each.getMessage() for each in caplog.records if "Disks without a VM" in each.getMessage()]
    assert "compute.disks.list" in told


def test_a_vm_that_is_deleted_with_its_disk_left_behind(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    next(iter(lab.gcp.state.disks.values())).auto_delete = False
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.gcp.state.disks == {}


def test_a_disk_that_takes_the_name_of_a_new_vm_is_removed_first(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    next(iter(lab.gcp.state.disks.values())).auto_delete = False
    lab.gcp.state.remove(next(iter(lab.gcp.state.vms.values())))
    with pytest.raises(
        Unavailable, match="disk of an earlier VM of worker burst-1-0 in europe-west4-a is being removed"
    ):
        driver.create(spec(), start())
    lab.jump(30)
    assert lab.running(driver).phase is Phase.RUNNING
