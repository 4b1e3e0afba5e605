"""What people and Azure do to VMs behind the back of the driver, and deletions that do not go well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from herder.drivers.azure import AzureDriver
from herder.model.fleet.driver import InvalidRequest, MachineEnd, NotFound, Phase, Unavailable
from herder.testing.fakes import Rule
from tests.drivers.azure.lab import Lab, spec, start
from tests.drivers.azure.test_faults import WORKER


def test_a_vm_that_is_deleted_by_hand_is_gone(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.azure.state.remove(lab.vm)
    for ask in (driver.get, driver.delete, driver.console):
        with pytest.raises(NotFound):
            ask(WORKER)
    assert len(driver.list()) == 0


@pytest.mark.parametrize("power", ["stopped", "deallocated"])
def test_a_vm_that_is_switched_off_is_stopped(lab: Lab, driver: AzureDriver, power: str) -> None:
    lab.running(driver)
    lab.vm.power = power
    found = driver.get(WORKER)
    assert (found.phase, found.end) == (Phase.STOPPED, None)
    assert [each.phase for each in driver.list()] == [Phase.STOPPED]


def test_a_state_that_is_not_known_proves_nothing(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.vm.power = "teleporting"
    with pytest.raises(Unavailable, match="state 'teleporting'"):
        driver.get(WORKER)
    listing = driver.list()
    assert (len(listing), listing.complete) == (0, False)


def test_a_later_change_that_fails_leaves_the_worker_alone(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.vm.provisioning = "Failed"
    assert driver.get(WORKER).phase is Phase.RUNNING


@pytest.mark.parametrize("policy", ["Delete", "Deallocate"])
def test_an_eviction(lab: Lab, policy: str) -> None:
    driver = lab.driver(eviction_policy=policy)
    lab.running(driver, spot=True)
    lab.azure.state.evict(lab.vm.name)
    lab.jump(31)
    seen = driver.get(WORKER)
    if policy == "Delete":
        assert (seen.phase, seen.end) == (Phase.STOPPING, None)
        lab.jump(10)
        with pytest.raises(NotFound):
            driver.get(WORKER)
    else:
        assert (seen.phase, seen.end) == (Phase.STOPPED, MachineEnd.PREEMPTED)
        with pytest.raises(NotFound):
            lab.settled(driver, driver.delete(WORKER))
    assert lab.left() == []


def test_a_vm_that_is_evicted_while_it_boots_is_gone(lab: Lab, driver: AzureDriver) -> None:
    begun = driver.create(spec(spot=True), start())
    lab.azure.state.evict(lab.vm.name)
    assert driver.get(WORKER, begun.operation).phase is Phase.CREATING
    lab.jump(40)
    with pytest.raises(NotFound):
        driver.get(WORKER, begun.operation)
    assert lab.left() == []


def test_what_azure_writes_as_null_is_not_there(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    row = {
        "id": "/x",
        "name": "x",
        "location": "westeurope",
        "tags": None,
        "properties": {"instanceView": None},
    }
    lab.azure.faults.add(Rule(path="/virtualMachines$", status=200, body={"value": [row], "nextLink": None}))
    assert len(driver.list()) == 0
    assert [each.worker for each in driver.list()] == [WORKER]


def test_a_resource_in_another_form_proves_nothing(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.azure.faults.add(Rule(path="/virtualMachines$", status=200, body={"value": [{"name": 7}]}))
    with pytest.raises(Unavailable, match="in a form that Herder does not know"):
        driver.list()


def test_tags_that_people_edit(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.vm.body["tags"] = {"team": "blue"}
    assert [each.worker for each in driver.list()] == [WORKER], "this server has seen it"
    assert len(lab.driver().list()) == 0, "a list goes by tags"
    assert lab.driver().get(WORKER).phase is Phase.RUNNING, "a question goes by name"
    with pytest.raises(NotFound):
        lab.settled(lab.driver(), lab.driver().delete(WORKER))
    assert lab.left() == []


@pytest.mark.parametrize("tag", ["herder-worker", "herder-installation"])
def test_a_tag_that_people_change_makes_no_vm_another_one(lab: Lab, driver: AzureDriver, tag: str) -> None:
    lab.running(driver)
    lab.vm.body["tags"] = {**lab.vm.tags, tag: "other"}
    assert [each.worker for each in driver.list()] == [WORKER]
    for each in (driver, lab.driver()):
        assert each.get(WORKER).phase is Phase.RUNNING
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.left() == []


def test_tags_are_compared_without_case(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver, spot=True)
    lab.vm.body["tags"] = {name.upper(): value for name, value in lab.vm.tags.items()}
    (found,) = lab.driver().list()
    assert found.tags is not None
    assert (found.worker, found.tags.spot) == (WORKER, True)


def test_a_copy_of_a_vm_is_never_touched(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    vm = lab.vm
    lab.azure.state.vms["copy"] = replace(vm, name="copy")
    assert [each.handle for each in driver.list()] == [f"westeurope/{vm.name}"]
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert list(lab.azure.state.vms) == ["copy"]


def test_a_vm_under_a_lock_says_so(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    text = "The scope '/x' cannot perform delete operation because following scope(s) are locked."
    lab.azure.faults.add(Rule(method="DELETE", status=409, code="ScopeLocked", text=text))
    with pytest.raises(InvalidRequest, match=r"are locked. Remove the lock"):
        driver.delete(WORKER)


def test_a_deletion_that_fails_inside_azure_is_begun_again(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.azure.faults.add(Rule(operation="delete", code="InternalOperationError", text="An internal error."))
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.left() == []
    assert lab.azure.asked.count("VirtualMachines_Delete") == 2


def test_a_vm_that_goes_while_its_deletion_is_asked_for_leaves_nothing(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    for part in lab.azure.state.parts.values():
        part.stays = True
    rule = lab.azure.faults.add(
        Rule(method="DELETE", path="/virtualMachines/", status=404, code="ResourceNotFound", acts=True)
    )
    removed = driver.delete(WORKER)
    assert (removed.phase, rule.times) == (Phase.STOPPING, 0)
    with pytest.raises(NotFound):
        lab.settled(driver, removed)
    assert lab.left() == []
