"""What people and Azure do to VMs behind the back of the driver, or of Terra."""

from __future__ import annotations

from dataclasses import replace

import pytest

from herder.drivers.terra import TerraDriver
from herder.model.fleet.driver import NotFound, Phase, Unavailable
from herder.testing.fakes import Rule
from tests.drivers.terra.lab import Lab, spec, start
from tests.drivers.terra.test_faults import WORKER


def test_a_vm_that_is_deleted_in_terra_is_gone(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    lab.terra.state.remove(lab.vm)
    for ask in (driver.get, driver.delete):
        with pytest.raises(NotFound):
            ask(WORKER)
    assert len(driver.list()) == 0


def test_a_vm_that_is_deleted_at_azure_runs_for_terra_until_herder_removes_it(
    lab: Lab, driver: TerraDriver
) -> None:
    lab.running(driver)
    lab.terra.state.vanish(lab.vm)
    assert driver.get(WORKER).phase is Phase.RUNNING
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.terra.state.vms == {}


def test_a_vm_that_is_deleted_while_it_is_created_is_gone(lab: Lab, driver: TerraDriver) -> None:
    begun = driver.create(spec(), start())
    lab.terra.state.remove(lab.vm)
    assert driver.get(WORKER, begun.operation).phase is Phase.CREATING, "its job goes on"
    lab.jump(60)
    with pytest.raises(NotFound):
        driver.get(WORKER, begun.operation)


def test_a_state_that_is_not_known_proves_nothing(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    lab.vm.state = "TELEPORTING"
    shown = {"metadata": lab.terra._metadata(lab.vm), "attributes": {}}
    lab.terra.faults.add(Rule(method="GET", path="/azure/vm/", status=200, body=shown))
    lab.terra.faults.add(Rule(path="/resources$", status=200, body={"resources": [shown]}))
    lab.terra.faults.add(Rule(path="/resources$", status=200, body={"resources": [shown]}))
    with pytest.raises(Unavailable, match="state 'TELEPORTING'"):
        driver.get(WORKER)
    listing = driver.list()
    assert (len(listing), listing.complete) == (0, False)


def test_properties_that_people_edit(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    lab.vm.marks[:] = [{"key": "team", "value": "blue"}]
    assert [each.worker for each in driver.list()] == [WORKER], "this server has seen it"
    assert len(lab.driver().list()) == 0, "a list goes by properties"
    assert lab.driver().get(WORKER).phase is Phase.RUNNING, "a question goes by the id"
    with pytest.raises(NotFound):
        lab.settled(lab.driver(), lab.driver().delete(WORKER))
    assert lab.terra.state.vms == {}


def test_a_clone_of_a_vm_is_never_touched(lab: Lab, driver: TerraDriver) -> None:
    """It has the properties of its model."""
    lab.running(driver)
    vm, other = lab.vm, "0c6b3d61-24f3-4bb5-8f6b-2f0f1a3e9d11"
    common = {**vm.body["common"], "resourceId": other, "name": "clone"}
    lab.terra.state.vms[other] = replace(vm, body={**vm.body, "common": common})
    assert [each.handle for each in driver.list()] == [vm.name]
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert list(lab.terra.state.vms) == [other]


def test_what_terra_writes_as_null_is_not_there(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    metadata = {"resourceId": lab.vm.id, "name": lab.vm.name, "state": "READY", "properties": None, "errorReport": None}  # fmt: skip
    lab.terra.faults.add(
        Rule(method="GET", path="/azure/vm/", status=200, body={"metadata": metadata, "attributes": None})
    )
    assert driver.get(WORKER).phase is Phase.RUNNING
