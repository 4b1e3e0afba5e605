"""Jobs that are repeated, late, forgotten, never end or fail: one VM for one worker, and nothing is left over."""

from __future__ import annotations

from typing import Any

import pytest

from herder.drivers.terra import TerraDriver
from herder.drivers.terra.resources import creation_id, resource_id
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    Unauthorised,
    Unavailable,
)
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from herder.testing.terra import REGION, WORKSPACE
from tests.drivers.terra.lab import Lab, spec, start
from tests.drivers.terra.test_faults import POST, WORKER

RESOURCE = resource_id(WORKSPACE, "lab", WORKER)


def test_an_answer_after_the_act_is_open_and_looked_up(lab: Lab, driver: TerraDriver) -> None:
    lab.terra.faults.add(Rule(**POST, status=503, text="Server busy", acts=True))
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        driver.create(spec(), start())
    seen = driver.get(WORKER)
    assert (seen.phase, seen.operation) == (Phase.CREATING, f"create {creation_id(RESOURCE, 0)}")
    assert driver.create(spec(), start()) == seen
    lab.jump(60)
    assert driver.get(WORKER, seen.operation).phase is Phase.RUNNING
    assert len(lab.terra.state.vms) == len(lab.terra.state.jobs) == 1


def test_why_a_creation_failed_is_known_also_when_its_answer_was_lost(lab: Lab, driver: TerraDriver) -> None:
    lab.terra.state.sold_out.add((REGION, False))
    lab.terra.faults.add(Rule(**POST, lose_answer=True))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(), start())
    seen = lab.driver().get(WORKER)
    lab.jump(60)
    with pytest.raises(OutOfCapacity):
        lab.driver().get(WORKER, seen.operation)


@pytest.mark.parametrize("state", ["RUNNING", "SUCCEEDED"])
def test_the_same_creation_is_the_same_job(
    lab: Lab, driver: TerraDriver, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """By a server that has not seen the first one, such as one that hangs."""
    begun = driver.create(spec(), start())
    if state == "SUCCEEDED":
        lab.settled(driver, begun)
    other, looks = lab.driver(), list[WorkerName]()

    def blind_at_first(worker: WorkerName) -> Any:
        looks.append(worker)
        return None if len(looks) == 1 else TerraDriver._find(other, worker)

    monkeypatch.setattr(other, "_find", blind_at_first)
    again = other.create(spec(), start())
    assert again.phase is (Phase.CREATING if state == "RUNNING" else Phase.RUNNING)
    if state == "RUNNING":
        assert again.operation == begun.operation
    assert len(lab.terra.state.jobs) == 1


def test_what_was_removed_is_created_by_another_job(lab: Lab, driver: TerraDriver) -> None:
    for turn in range(3):
        lab.running(driver)
        assert lab.terra.state.jobs[creation_id(RESOURCE, turn)].status == "SUCCEEDED"
        with pytest.raises(NotFound):
            lab.settled(driver, driver.delete(WORKER))


def test_a_worker_is_not_created_for_ever(
    lab: Lab, driver: TerraDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.drivers.terra.driver.TURNS_MAX", 1)
    lab.running(driver)
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    with pytest.raises(Unavailable, match=r"created and removed 1 times\. Remove it"):
        driver.create(spec(), start())


def test_a_resource_of_others_with_the_same_name_is_left_alone(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    vm = lab.vm
    vm.body["common"]["resourceId"] = "0c6b3d61-24f3-4bb5-8f6b-2f0f1a3e9d11"
    lab.terra.state.vms = {vm.id: vm}
    with pytest.raises(NotFound, match="already exists in the workspace that has the same name"):
        lab.driver().create(spec("burst-1-0"), start())
    assert list(lab.terra.state.vms) == [vm.id]


def test_an_old_job_that_failed_says_nothing_of_a_new_vm(lab: Lab, driver: TerraDriver) -> None:
    lab.terra.faults.add(Rule(operation="create", code="InternalOperationError", text="An internal error."))
    old = driver.create(spec(), start())
    lab.jump(60)
    with pytest.raises(NotFound, match="An internal error"):
        driver.get(WORKER, old.operation)
    lab.running(driver)
    assert driver.get(WORKER, old.operation).phase is Phase.RUNNING


@pytest.mark.parametrize("keeps_broken", [False, True])
def test_a_job_that_terra_has_forgotten(lab: Lab, driver: TerraDriver, keeps_broken: bool) -> None:
    lab.terra.state.keeps_broken = keeps_broken
    lab.terra.state.sold_out.add((REGION, False))
    begun = driver.create(spec(), start())
    lab.jump(60)
    lab.terra.state.jobs.clear()
    with pytest.raises(OutOfCapacity if keeps_broken else NotFound):
        lab.driver().get(WORKER, begun.operation)
    lab.jump(60)
    assert lab.terra.state.vms == {}


def test_a_job_whose_vm_is_not_shown_yet_goes_on(lab: Lab, driver: TerraDriver) -> None:
    begun = driver.create(spec(), start())
    vms, lab.terra.state.vms = lab.terra.state.vms, {}
    assert driver.get(WORKER, begun.operation) == begun
    assert driver.create(spec(), start()) == begun
    lab.terra.state.vms = vms
    assert lab.settled(driver, begun).phase is Phase.RUNNING


def test_a_vm_that_is_broken_makes_room_for_the_next(lab: Lab, driver: TerraDriver) -> None:
    lab.terra.state.keeps_broken = True
    lab.terra.faults.add(Rule(operation="create", text="It has not started."))
    driver.create(spec(), start())
    lab.jump(60)
    (shown,) = driver.list()
    assert (shown.phase, "It has not started." in shown.detail) == (Phase.FAILED, True)
    for _ in range(2):
        with pytest.raises(Unavailable, match="earlier VM of worker burst-1-0 is being removed") as caught:
            driver.create(spec(), start())
        assert caught.value.leaves_parts
    lab.jump(60)
    assert lab.running(driver).phase is Phase.RUNNING


def test_a_broken_vm_that_cannot_be_removed_does_not_hide_why(lab: Lab, driver: TerraDriver) -> None:
    lab.terra.state.keeps_broken = True
    lab.terra.state.sold_out.add((REGION, False))
    begun = driver.create(spec(), start())
    lab.jump(60)
    lab.terra.state.missing.add("delete")
    with pytest.raises(OutOfCapacity, match="not available in location"):
        driver.get(WORKER, begun.operation)
    assert [each.phase for each in driver.list()] == [Phase.FAILED]


def test_a_job_that_never_ends_is_said_and_removed_when_it_ends(lab: Lab, driver: TerraDriver) -> None:
    """Terra removes nothing that a job still has."""
    lab.terra.faults.add(Rule(operation="create", delay_ms=3_600_000))
    begun = driver.create(spec(), start())
    lab.jump(600)
    assert driver.get(WORKER, begun.operation).phase is Phase.CREATING
    removed = driver.delete(WORKER)
    assert (removed.phase, removed.detail) == (
        Phase.STOPPING,
        "It is being created. Terra deletes it when that has ended.",
    )
    assert driver.get(WORKER, removed.operation).phase is Phase.STOPPING
    lab.jump(3_600)
    with pytest.raises(NotFound):
        lab.settled(driver, driver.get(WORKER, removed.operation))
    assert lab.terra.state.vms == {}


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("InternalOperationError", "An internal error.", Unavailable),
        ("ScopeLocked", "The following scopes are locked.", InvalidRequest),
        ("ResourceNotFound", "The network card was not found.", Unavailable),
    ],
)
def test_a_deletion_that_fails_says_why_and_is_begun_again(
    lab: Lab, driver: TerraDriver, code: str, text: str, kind: type[DriverError]
) -> None:
    lab.running(driver)
    lab.terra.faults.add(Rule(operation="delete", code=code, text=text))
    with pytest.raises(kind, match=f"Terra failed at deleting VM herder-burst-1-0-.*: {text}") as caught:
        lab.settled(driver, driver.delete(WORKER))
    assert type(caught.value) is kind
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert lab.terra.state.vms == {}
    assert [job.kind for job in lab.terra.state.jobs.values()] == ["CREATE", "DELETE", "DELETE"]


def test_a_deletion_that_may_not_be_names_the_permission(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    lab.terra.state.missing.add("delete")
    with pytest.raises(
        Unauthorised, match="may not perform action delete on controlled-user-private-workspace-resource"
    ):
        driver.delete(WORKER)


def test_two_deletions_are_one(lab: Lab, driver: TerraDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.running(driver)
    other, seen = lab.driver(), driver._find(WORKER)
    monkeypatch.setattr(other, "_find", lambda _worker: seen)
    first, second = driver.delete(WORKER), other.delete(WORKER)
    assert (first.phase, second.phase) == (Phase.STOPPING, Phase.STOPPING)
    assert [job.kind for job in lab.terra.state.jobs.values()] == ["CREATE", "DELETE"]
