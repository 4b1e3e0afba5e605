"""Network cards, addresses and disks that are left when their VM is not there: found, shown, and removed."""

from __future__ import annotations

import pytest

from herder.drivers.azure import AzureDriver
from herder.model.fleet.driver import NotFound, Phase, Unauthorised, Unavailable
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from tests.drivers.azure.lab import ZONE, Lab, spec, start

WORKER = WorkerName("burst-1-0")
KINDS = ("disks", "networkInterfaces", "publicIPAddresses")


def strand(lab: Lab) -> None:
    """Every VM is gone, and its parts are there."""
    for part in lab.azure.state.parts.values():
        part.stays = True
    for vm in list(lab.azure.state.vms.values()):
        lab.azure.state.remove(vm)
    for part in lab.azure.state.parts.values():
        if part.kind == "networkInterfaces":
            part.stays = False


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_that_stays_is_found_and_removed(lab: Lab, driver: AzureDriver, kind: str) -> None:
    lab.running(driver)
    lab.running(lab.driver(installation="theirs"))
    strand(lab)
    for place in [each for each in lab.azure.state.parts if each[0] != kind]:
        del lab.azure.state.parts[place]
    for part in lab.azure.state.parts.values():
        part.user = ""
    seen = []
    for _ in range(6):
        seen.append([each.phase for each in driver.list()])
        lab.jump(200)
    assert (seen[0], seen[-1]) == ([], [Phase.FAILED])
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    (left,) = lab.azure.state.parts.values()
    assert left.body["tags"]["herder-installation"] == "theirs"
    assert len(driver.list()) == 0


def test_a_vm_that_is_deleted_with_all_its_parts_left_behind(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    for part in lab.azure.state.parts.values():
        part.stays = True
    removed = driver.delete(WORKER)
    assert removed.operation == "delete"
    with pytest.raises(NotFound):
        lab.settled(lab.driver(), removed)
    assert lab.left() == []


def test_a_card_that_azure_reserves_is_deleted_later(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    strand(lab)
    text = "Nic(s) in request is reserved for another Virtual Machine for 180 seconds."
    lab.azure.faults.add(
        Rule(
            method="DELETE", path="/networkInterfaces/", status=400, code="NicReservedForAnotherVm", text=text
        )
    )
    assert driver.delete(WORKER).phase is Phase.STOPPING
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.left() == []


def test_parts_in_another_location_make_room_first(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver, zone=ZONE)
    strand(lab)
    with pytest.raises(
        Unavailable,
        match=r"already exists in location .*What is left of an earlier VM of worker burst-1-0 is being removed",
    ):
        driver.create(spec(zone="northeurope"), start())
    for _ in range(3):
        lab.jump(30)
        try:
            driver.create(spec(zone="northeurope"), start())
        except Unavailable:
            continue
        break
    lab.jump(30)
    (found,) = driver.list()
    assert (found.phase, found.handle.partition("/")[0]) == (Phase.RUNNING, "northeurope")


def test_a_part_that_people_gave_to_another_vm_is_theirs(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    (disk,) = [each for each in lab.azure.state.parts.values() if each.kind == "disks"]
    disk.stays = True
    removed = driver.delete(WORKER)
    lab.jump(10)
    disk.user = "rescue"
    with pytest.raises(NotFound):
        lab.settled(driver, removed)
    assert lab.left() == [f"disks {disk.name}"]


def test_parts_of_a_new_vm_are_not_left_over(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.faults.add(Rule(operation="create", never_ends=True))
    driver.create(spec(), start())
    for _ in range(6):
        assert [each.phase for each in driver.list()] == [Phase.CREATING]
        lab.jump(200)


def test_parts_that_cannot_be_listed_are_told_once(
    lab: Lab, driver: AzureDriver, caplog: pytest.LogCaptureFixture
) -> None:
    lab.running(driver)
    lab.azure.state.missing.add("Microsoft.Compute/disks/read")
    for _ in range(2):
        assert [each.worker for each in driver.list()] == [WORKER]
    (told,) = [each.getMessage() for each in caplog.records if "Parts without a VM" in each.getMessage()]
    assert "Microsoft.Compute/disks/read" in told


def test_what_a_refused_creation_cannot_take_back_is_told_and_found_later(
    lab: Lab, driver: AzureDriver, caplog: pytest.LogCaptureFixture
) -> None:
    lab.azure.state.missing.update(
        {"Microsoft.Compute/virtualMachines/write", "Microsoft.Network/networkInterfaces/delete"}
    )
    with pytest.raises(Unauthorised, match=r"lacks the permission Microsoft.Compute/virtualMachines/write"):
        driver.create(spec(), start())
    assert "Parts of worker burst-1-0 are left, for the next sweep" in caplog.text
    lab.azure.state.missing.clear()
    for _ in range(4):
        found = driver.list()
        lab.jump(400)
    assert [each.phase for each in found] == [Phase.FAILED]
