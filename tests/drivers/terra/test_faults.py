"""What goes wrong at Terra: which error it is, what a person reads, and that nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from herder.testing.terra import REGION, WORKSPACE, Terra
from tests.drivers.terra.lab import OPTIONS, Lab, spec, start

WORKER = WorkerName("burst-1-0")
POST: dict[str, Any] = {"method": "POST", "path": "/azure/vm$"}
RESOURCE = resource_id(WORKSPACE, "lab", WORKER)

Break = Callable[[Terra], Any]
#: What is broken, what `create` and what follows then raise, and what a person reads.
FAULTS: dict[str, tuple[Break, type[DriverError], str]] = {
    "expired credentials": (
        lambda terra: terra.state.tokens.clear(),
        Unauthorised,
        "Terra refused reading VM herder-burst-1-0-.*Invalid or expired token. Check the credentials of the driver",
    ),
    "a role that may only read": (
        lambda terra: setattr(terra.state, "role", "READER"),
        Unauthorised,
        f"creating VM .*the account may not perform action create_controlled_user_private on workspace {WORKSPACE}. Give the account the role WRITER",
    ),
    "a role of applications": (
        lambda terra: setattr(terra.state, "role", "APPLICATION"),
        Unauthorised,
        "may not perform action create_controlled_user_private",
    ),
    "a role of nobody": (
        lambda terra: setattr(terra.state, "role", "DISCOVERER"),
        Unauthorised,
        "may not perform action read on workspace",
    ),
    "a quota of 0": (
        lambda terra: terra.state.quotas[REGION].update(cores=0),
        QuotaExceeded,
        "Terra failed at creating VM herder-burst-1-0-.*: Operation could not be completed as it results in exceeding approved cores Cores quota.*Current Limit: 0",
    ),
    "a quota of the family": (
        lambda terra: terra.state.quotas[REGION].update(standardDDSv5Family=1),
        QuotaExceeded,
        "standardDDSv5Family Cores quota",
    ),
    "a region that is sold out": (
        lambda terra: terra.state.sold_out.add((REGION, False)),
        OutOfCapacity,
        f"currently not available in location '{REGION}'",
    ),
    "a stock-out without the error of Azure's API": (
        lambda terra: terra.faults.add(Rule(operation="create", text="Long running operation failed: AllocationFailed.")),
        OutOfCapacity,
        "AllocationFailed",
    ),
    "429 with Retry-After": (
        lambda terra: terra.faults.add(Rule(**POST, status=429, text="Too many requests", headers={"Retry-After": "120"})),
        RateLimited,
        "limits the rate of calls: Too many requests",
    ),
    "429 without Retry-After": (
        lambda terra: terra.faults.add(Rule(**POST, status=429, text="Too many requests", times=4)),
        RateLimited,
        "limits the rate of calls",
    ),
    "a job that fails inside Azure": (
        lambda terra: terra.faults.add(Rule(operation="create", code="InternalOperationError", text="An internal error.", status=500)),
        NotFound,
        "Terra failed at creating VM herder-burst-1-0-.*: An internal error",
    ),
    "a job that fails inside Terra": (
        lambda terra: terra.faults.add(Rule(operation="create", text="Landing zone service is not available")),
        NotFound,
        "Landing zone service is not available",
    ),
    "a job that may not do it inside Azure": (
        lambda terra: terra.faults.add(Rule(operation="create", code="AuthorizationFailed", text="The client does not have authorization.", status=403)),
        Unauthorised,
        "does not have authorization. Check the credentials",
    ),
    "a job that may not do it inside Terra": (
        lambda terra: terra.faults.add(Rule(operation="create", text="User a@b is not authorized to perform action read on spend-profile x", status=403)),
        Unauthorised,
        "may not perform action read on spend-profile x",
    ),
    "a policy": (
        lambda terra: terra.faults.add(Rule(operation="create", code="RequestDisallowedByPolicy", text="Policy 'sizes' forbids it.", status=403)),
        InvalidRequest,
        "Policy 'sizes' forbids it. Change the policy",
    ),
    "a job that is refused": (
        lambda terra: terra.faults.add(Rule(operation="create", text="Field 'x' is missing", status=400)),
        InvalidRequest,
        "Field 'x' is missing",
    ),
    "a conflict that is not of a job": (
        lambda terra: terra.faults.add(Rule(**POST, status=409, text="Another operation is running on the workspace; try again later")),
        Unavailable,
        "Another operation is running on the workspace",
    ),
    "an answer that is not Terra's": (
        lambda terra: terra.faults.add(Rule(**POST, status=403, body={"error": ["blocked"]})),
        Unauthorised,
        "HTTP status 403. Give the account the role WRITER",
    ),
}  # fmt: skip


@pytest.mark.parametrize("keeps_broken", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_creation_that_fails(lab: Lab, driver: TerraDriver, fault: str, keeps_broken: bool) -> None:
    breaks, kind, words = FAULTS[fault]
    lab.terra.state.keeps_broken = keeps_broken
    breaks(lab.terra)
    with pytest.raises(kind, match=words) as caught:
        lab.running(driver)
    assert type(caught.value) is kind
    assert "hush-hush" not in str(caught.value)
    lab.jump(120)
    assert lab.terra.state.vms == {}


#: Settings and options that cannot be.
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], type[DriverError], str]] = {
    "a size that does not exist": (
        {}, {"driver_options": (("vm_size", "Standard_X9"),)}, InvalidRequest, "Standard_X9 provided for the VM size is not valid",
    ),
    "an image that is not found": (
        {"image": "Debian:debian-12:none:latest"}, {}, InvalidRequest, "platform image 'Debian:debian-12:none:latest' is not available",
    ),
    "no image at all": ({"image": ""}, {}, InvalidRequest, "Pool burst names no image"),
    "an image that gets no boot data": (
        {}, {"driver_options": (*OPTIONS, ("image", "/subscriptions/x/images/y"))}, InvalidRequest, "Terra gives no boot data to VMs of other images",
    ),
    "another workspace": (
        {"workspace": "00000000-0000-0000-0000-000000000000"}, {}, Unauthorised, "Workspace 00000000-0000-0000-0000-000000000000 not found. Correct the setting workspace",
    ),
    "another region": ({}, {"zone": "westeurope"}, InvalidRequest, f"wants zone westeurope, but the workspace is in {REGION}"),
    "an option that is unknown": ({}, {"driver_options": (*OPTIONS, ("vm_sise", "x"))}, InvalidRequest, "no option 'vm_sise'"),
    "no size": ({}, {"driver_options": ()}, InvalidRequest, "does not name a size of VM"),
    "a name that cannot be": ({}, {"name": WorkerName("a/b")}, InvalidRequest, "not a valid name"),
    "a token that was refused": ({"token": "other"}, {}, Unauthorised, "Check the credentials"),
    "boot data that are too long": (
        {"pull_images": "registry.example/image:1 " * 3_000}, {}, InvalidRequest, "bytes of data; Azure takes 65,535",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_settings_that_cannot_be(lab: Lab, what: str) -> None:
    settings, changed, kind, words = WRONG[what]
    driver = lab.driver(**settings)
    with pytest.raises(kind, match=words):
        lab.settled(driver, driver.create(replace(spec(), **changed), start()))
    assert lab.terra.state.vms == {}


def test_wrong_credentials_and_workspaces_never_look_like_missing_machines(
    lab: Lab, driver: TerraDriver
) -> None:
    lab.running(driver)
    for settings in ({"token": "other"}, {"workspace": "00000000-0000-0000-0000-000000000000"}):
        other = lab.driver(**settings)
        for ask in (
            other.list,
            other.health,
            lambda other=other: other.get(WORKER),
            lambda other=other: other.delete(WORKER),
        ):
            with pytest.raises(Unauthorised):
                ask()


def test_an_answer_after_the_act_is_open_and_looked_up(lab: Lab, driver: TerraDriver) -> None:
    lab.terra.faults.add(Rule(**POST, status=503, text="Server busy", acts=True))
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        driver.create(spec(), start())
    assert driver.get(WORKER).phase is Phase.CREATING
    assert driver.create(spec(), start()).phase is Phase.CREATING
    lab.jump(60)
    assert driver.get(WORKER).phase is Phase.RUNNING
    assert len(lab.terra.state.vms) == len(lab.terra.state.jobs) == 1


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
        with pytest.raises(Unavailable, match="earlier VM of worker burst-1-0 is being removed"):
            driver.create(spec(), start())
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


def test_a_deletion_that_fails_is_begun_again(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    lab.terra.faults.add(Rule(operation="delete", code="InternalOperationError", text="An internal error."))
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


def test_reads_are_tried_again(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    lab.terra.faults.add(Rule(method="GET", path="/azure/vm/", status=503, times=2))
    assert driver.get(WORKER).phase is Phase.RUNNING


def test_an_answer_that_proves_nothing(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    for body, words in (([], "not one of Terra. Check the setting url"), ({"metadata": 7}, "in a form that Herder does not know")):  # fmt: skip
        lab.terra.faults.add(Rule(method="GET", path="/azure/vm/", status=200, body=body))
        with pytest.raises(Unavailable, match=words):
            driver.get(WORKER)


def test_a_list_in_pages(lab: Lab, driver: TerraDriver) -> None:
    for number in range(7):
        driver.create(spec(f"burst-1-{number}"), start())
    lab.terra.rows_max = 3  # fewer than are asked for
    listing = driver.list()
    assert (len(listing), listing.complete) == (7, True)


@pytest.mark.parametrize("times", [1, 3])
def test_a_list_that_changes_while_it_is_read(
    lab: Lab, driver: TerraDriver, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """One VM goes between two pages: the rows after it move up."""
    for number in range(9):
        driver.create(spec(f"burst-1-{number}"), start())
    lab.terra.rows_max = 3
    ask, state, left = lab.terra.request, lab.terra.state, [times]

    def request(request: Any, now_ms: int) -> Any:
        if "offset=2" in request.query and left[0]:
            left[0] -= 1
            state.remove(min(state.vms.values(), key=lambda vm: vm.name))
        return ask(request, now_ms)

    monkeypatch.setattr(lab.terra, "request", request)
    listing = driver.list()
    assert listing.complete is (times == 1)
    if listing.complete:
        assert len(listing) == 8


def test_the_description_of_the_api_refuses_what_it_does_not_have(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deliberate misspelling in a request."""
    from herder.drivers.terra.bodies import Body

    right = Body.vm
    monkeypatch.setattr(Body, "vm", lambda self: {**right(self), "prioritie": "SPOT"})
    with pytest.raises(InvalidRequest, match="property prioritie is unknown"):
        lab.driver().create(spec(), start())
    assert lab.terra.state.jobs == {}
