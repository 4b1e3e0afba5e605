"""What goes wrong at Terra: which error it is, what a person reads, and that nothing is left over."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from herder.drivers.terra import TerraDriver
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
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

DETAILS = json.dumps({"error": {"code": "Failed", "message": "m", "details": [{"code": "QuotaExceeded", "message": 'The quota of "cores" is used up.'}]}})  # fmt: skip

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
    "a quota in the details of an error": (
        lambda terra: terra.faults.add(Rule(operation="create", status=400, text=f'Status code 400, "{DETAILS}": Deployment failed')),
        QuotaExceeded,
        'The quota of "cores" is used up. Ask for a higher quota of the workspace',
    ),
    "an error of Azure that is cut": (
        lambda terra: terra.faults.add(Rule(operation="create", status=409, text=f'Status code 409, "{DETAILS[:40]}')),
        NotFound,
        "Status code 409",
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
    assert caught.value.leaves_parts is bool(lab.terra.state.vms)
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


def test_reads_are_tried_again(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver)
    lab.terra.faults.add(Rule(method="GET", path="/azure/vm/", status=503, times=2))
    assert driver.get(WORKER).phase is Phase.RUNNING


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
