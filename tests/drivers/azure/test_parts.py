"""Network cards, addresses and disks that are left when their VM is not there: found, shown, and removed."""

from __future__ import annotations

import pytest

from herder.drivers.azure import AzureDriver
from herder.model.fleet.driver import (
    InvalidRequest,
    NotFound,
    Phase,
    QuotaExceeded,
    Unauthorised,
    Unavailable,
)
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


def test_a_refused_creation_says_that_its_card_and_address_are_left(lab: Lab, driver: AzureDriver) -> None:
    """The address cannot be deleted before its card has gone, which takes a while."""
    lab.azure.state.quotas["westeurope"].update(cores=0)
    with pytest.raises(QuotaExceeded) as caught:
        driver.create(spec(), start())
    lab.jump(60)
    assert [each.partition(" ")[0] for each in lab.left()] == ["publicIPAddresses"]
    assert caught.value.leaves_parts
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.left() == []


def test_a_creation_that_was_refused_before_anything_was_made_leaves_nothing(
    lab: Lab, driver: AzureDriver
) -> None:
    lab.azure.state.missing.add("Microsoft.Network/publicIPAddresses/write")
    with pytest.raises(Unauthorised) as caught:
        driver.create(spec(), start())
    assert not caught.value.leaves_parts
    with pytest.raises(InvalidRequest, match="bytes of data") as wrong:
        lab.driver(pull_images="registry.example/image:1 " * 3_000).create(spec(), start())
    assert not wrong.value.leaves_parts
    assert lab.left() == []


def test_a_disk_of_an_earlier_vm_makes_room_first(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    (disk,) = [each for each in lab.azure.state.parts.values() if each.kind == "disks"]
    disk.stays = True
    lab.azure.state.remove(lab.vm)
    with pytest.raises(
        Unavailable, match=r"Only CreateOption.Attach is supported. What is left .* is being removed"
    ):
        driver.create(spec(), start())
    lab.jump(30)
    assert lab.running(driver).phase is Phase.RUNNING


def test_ids_in_other_letters_are_the_same(lab: Lab, driver: AzureDriver) -> None:
    """Of a disk that is still attached to its VM, which Azure has stopped showing."""
    lab.running(driver)
    (disk,) = [each for each in lab.azure.state.parts.values() if each.kind == "disks"]
    disk.stays, disk.user = True, disk.user.upper()
    lab.azure.state.vms.clear()
    lab.azure.state.parts = {place: part for place, part in lab.azure.state.parts.items() if part is disk}
    removed = driver.delete(WORKER)
    assert removed.phase is Phase.STOPPING
    disk.user = ""
    with pytest.raises(NotFound):
        lab.settled(driver, removed)
    assert lab.left() == []


def test_a_vm_whose_name_begins_with_that_of_a_worker_is_another_one(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    vm = lab.vm.name
    (disk,) = [each for each in lab.azure.state.parts.values() if each.kind == "disks"]
    disk.stays = True
    removed = driver.delete(WORKER)
    lab.jump(10)
    disk.user = f"{vm}-rescue"
    with pytest.raises(NotFound):
        lab.settled(driver, removed)
    assert lab.left() == [f"disks {disk.name}"]


def test_a_part_that_cannot_be_deleted_keeps_no_other_one(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    strand(lab)
    for part in lab.azure.state.parts.values():
        part.user = ""
    text = "The scope '/x' cannot perform delete operation because following scope(s) are locked."
    lab.azure.faults.add(
        Rule(method="DELETE", path="/networkInterfaces/", status=409, code="ScopeLocked", text=text, times=-1)
    )
    with pytest.raises(InvalidRequest, match="are locked"):
        driver.delete(WORKER)
    lab.jump(60)
    assert [each.partition(" ")[0] for each in lab.left()] == ["networkInterfaces"]
