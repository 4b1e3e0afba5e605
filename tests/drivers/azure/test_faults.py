"""What goes wrong at Azure: which error it is, what a person reads, and that nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from herder.drivers.azure import AzureDriver
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
from herder.testing.azure import Azure, Inventory, Size
from herder.testing.fakes import Answer, Request, Rule
from tests.drivers.azure.lab import OPTIONS, SIZE, ZONE, Lab, spec, start

WORKER = WorkerName("burst-1-0")
PUT: dict[str, Any] = {"method": "PUT", "path": "/virtualMachines/"}

Break = Callable[[Azure], Any]
#: What is broken, what `create` and what follows then raise, and what a person reads.
FAULTS: dict[str, tuple[Break, type[DriverError], str]] = {
    "expired credentials": (
        lambda azure: azure.state.tokens.clear(),
        Unauthorised,
        "The access token is invalid. Check the credentials of the driver",
    ),
    "a missing permission is named": (
        lambda azure: azure.state.missing.add("Microsoft.Compute/virtualMachines/write"),
        Unauthorised,
        "refused creating VM herder-burst-1-0-.*lacks the permission Microsoft.Compute/virtualMachines/write on /subscriptions/.*Add it to the role",
    ),
    "a missing permission on what is referred to is named": (
        lambda azure: azure.state.missing.add("Microsoft.Network/virtualNetworks/subnets/join/action"),
        Unauthorised,
        "lacks the permission Microsoft.Network/virtualNetworks/subnets/join/action on /subscriptions/.*/subnets/workers",
    ),
    "a namespace that is not registered": (
        lambda azure: azure.state.unregistered.add("Microsoft.Network"),
        Unauthorised,
        "Register it: `az provider register --namespace Microsoft.Network`",
    ),
    "a quota of 0": (
        lambda azure: azure.state.quotas["westeurope"].update(cores=0),
        QuotaExceeded,
        "exceeding approved cores Cores quota.*Current Limit: 0",
    ),
    "a quota of the family": (
        lambda azure: azure.state.quotas["westeurope"].update(standardDSv5Family=1),
        QuotaExceeded,
        "standardDSv5Family Cores quota",
    ),
    "a quota in the details of an error": (
        lambda azure: azure.faults.add(Rule(**PUT, status=400, body={"error": {"code": "InvalidTemplateDeployment", "message": "m", "details": [{"code": "QuotaExceeded", "message": "no cores"}]}})),
        QuotaExceeded,
        "no cores. Ask the provider",
    ),
    "a zone that is sold out": (
        lambda azure: azure.state.sold_out.add((ZONE, False)),
        OutOfCapacity,
        "Azure failed at creating VM .*sufficient capacity",
    ),
    "a size that the subscription may not have": (
        lambda azure: azure.state.restricted.add((SIZE, "westeurope")),
        OutOfCapacity,
        "currently not available in location 'westeurope'",
    ),
    "429 with Retry-After": (
        lambda azure: azure.faults.add(Rule(**PUT, status=429, code="OperationThrottled", text="Too many", headers={"Retry-After": "60"})),
        RateLimited,
        "limits the rate of calls: Too many",
    ),
    "429 without Retry-After": (
        lambda azure: azure.faults.add(Rule(**PUT, status=429, code="TooManyRequests", text="Too many", times=4)),
        RateLimited,
        "limits the rate of calls",
    ),
    "an operation that fails inside Azure": (
        lambda azure: azure.faults.add(Rule(operation="create", code="InternalOperationError", text="An internal error.")),
        NotFound,
        "failed at creating VM herder-burst-1-0-.*An internal error",
    ),
    "an operation that fails with what nobody knows": (
        lambda azure: azure.faults.add(Rule(operation="create", code="NewTrouble", text="It is new.")),
        NotFound,
        "It is new",
    ),
    "a conflict that is not known": (
        lambda azure: azure.faults.add(Rule(**PUT, status=409, code="NewConflict", text="Wait for it.")),
        Unavailable,
        "cannot carry out creating VM .* now: Wait for it",
    ),
    "terms that are not accepted": (
        lambda azure: azure.faults.add(Rule(**PUT, status=400, code="MarketplacePurchaseEligibilityFailed", text="Legal terms have not been accepted.")),
        InvalidRequest,
        "Legal terms have not been accepted. Accept the terms of the image: `az vm image terms accept",
    ),
    "a policy": (
        lambda azure: azure.faults.add(Rule(**PUT, status=403, code="RequestDisallowedByPolicy", text="Policy 'tags' forbids it.")),
        InvalidRequest,
        "Policy 'tags' forbids it. Change the policy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_creation_that_fails(lab: Lab, driver: AzureDriver, fault: str) -> None:
    breaks, kind, words = FAULTS[fault]
    breaks(lab.azure)
    with pytest.raises(kind, match=words) as caught:
        lab.running(driver)
    assert type(caught.value) is kind
    assert "hush-hush" not in str(caught.value)
    lab.azure.state.tokens.add("a-token")
    lab.jump(120)
    if kind in (RateLimited, Unavailable):  # it is tried again with the same card
        assert not lab.azure.state.vms
        assert caught.value.leaves_parts
    lab.end(driver, caught.value)
    assert lab.left() == []


#: Settings and options that Azure refuses.
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], type[DriverError], str]] = {
    "a size that does not exist": (
        {}, {"driver_options": (("vm_size", "Standard_X9"),)}, InvalidRequest, "Standard_X9 provided for the VM size is not valid",
    ),
    "an image that is not found": (
        {"image": "Debian:debian-12:none:latest"}, {}, InvalidRequest, "platform image 'Debian:debian-12:none:latest' is not available",
    ),
    "an image of an id that is not found": (
        {"image": "/subscriptions/x/resourceGroups/g/providers/Microsoft.Compute/images/none"}, {}, InvalidRequest, "images/none is not available",
    ),
    "no image at all": ({"image": ""}, {}, InvalidRequest, "Pool burst names no image"),
    "a subnet that is not found": ({"subnet": "none/none"}, {}, InvalidRequest, "subnets/none referenced by the network card was not found"),
    "another subscription": (
        {"subscription": "00000000-0000-0000-0000-000000000000"}, {}, Unauthorised, "could not be found. Correct the setting subscription",
    ),
    "another resource group": ({"resource_group": "none"}, {}, Unauthorised, "could not be found. Create it, or correct the setting resource_group"),
    "a location that Azure does not have": ({"zones": "marsnorth"}, {}, InvalidRequest, "location 'marsnorth' is not available"),
    "a zone that the driver may not use": ({}, {"zone": "westus-1"}, InvalidRequest, "Add it to the setting zones"),
    "an option that is unknown": (
        {}, {"driver_options": (*OPTIONS, ("vm_sise", "x"))}, InvalidRequest, "no option 'vm_sise'",
    ),
    "no size": ({}, {"driver_options": ()}, InvalidRequest, "does not name a size of VM"),
    "a name that cannot be": ({}, {"name": WorkerName("a/b")}, InvalidRequest, "not a valid name"),
    "a token that was refused": ({"token": "other"}, {}, Unauthorised, "Check the credentials"),
    "a size that is not sold as spot": (
        {}, {"spot": True, "driver_options": (("vm_size", "Standard_B2s"),)}, InvalidRequest, "Azure Spot is not supported for size Standard_B2s",
    ),
    "a maximum price that is too low": (
        {"spot_max_price": "0.001"}, {"spot": True}, OutOfCapacity, "max price '0.001 USD' is lower than the current spot price",
    ),
    "boot data that are too long": ({"pull_images": "registry.example/image:1 " * 3_000}, {}, InvalidRequest, "bytes of data; Azure takes 65,535"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_settings_that_cannot_be(lab: Lab, what: str) -> None:
    settings, changed, kind, words = WRONG[what]
    driver = lab.driver(**settings)
    with pytest.raises(kind, match=words) as caught:
        lab.settled(driver, driver.create(replace(spec(), **changed), start()))
    lab.jump(60)
    lab.end(driver, caught.value)
    assert lab.left() == []


def test_wrong_credentials_and_places_never_look_like_missing_machines(lab: Lab, driver: AzureDriver) -> None:
    machine = lab.running(driver)
    for settings in ({"token": "other"}, {"resource_group": "none"}):
        other = lab.driver(**settings)
        for ask in (other.list, other.health, lambda other=other: other.get(machine.worker)):
            with pytest.raises(Unauthorised):
                ask()


def test_capacity_that_is_missing_names_the_zone(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.state.restricted.add((SIZE, "westeurope"))
    with pytest.raises(OutOfCapacity) as caught:
        driver.create(spec(zone=ZONE), start())
    assert caught.value.zone == ZONE


def test_an_answer_after_the_act_is_open_and_looked_up(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.faults.add(Rule(**PUT, status=503, text="Server busy", acts=True))
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        driver.create(spec(), start())
    assert driver.get(WORKER).phase is Phase.CREATING
    again = driver.create(spec(), start())
    assert len(lab.azure.state.vms) == 1
    assert lab.settled(driver, again).phase is Phase.RUNNING
    assert lab.azure.asked.count("VirtualMachines_CreateOrUpdate") == 1


def test_an_old_operation_that_failed_says_nothing_of_a_new_vm(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.faults.add(Rule(operation="create", code="InternalOperationError", text="An internal error."))
    old = driver.create(spec(), start())
    lab.jump(20)
    with pytest.raises(NotFound, match="An internal error"):
        driver.get(WORKER, old.operation)
    lab.jump(20)
    lab.running(driver)
    assert driver.get(WORKER, old.operation).phase is Phase.RUNNING


def test_a_refused_creation_never_removes_the_vm_of_another_call(
    lab: Lab, driver: AzureDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.running(driver)
    other = lab.driver()
    monkeypatch.setattr(other, "_find", _once_blind(other))
    lab.azure.faults.add(Rule(**PUT, status=409, code="QuotaExceeded", text="No cores are left."))
    with pytest.raises(QuotaExceeded):
        other.create(spec(), start())
    lab.jump(30)
    assert driver.get(WORKER).phase is Phase.RUNNING
    assert len(lab.left()) == 4


def test_a_vm_that_was_made_meanwhile_is_never_changed(
    lab: Lab, driver: AzureDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.running(driver)
    other = lab.driver()
    monkeypatch.setattr(other, "_find", _once_blind(other))
    assert other.create(spec(), start()).phase is Phase.RUNNING
    assert lab.azure.asked.count("VirtualMachines_CreateOrUpdate") == 2


#: Azure's front ends do not see at once what another of them has made.
HIDDEN: dict[str, Any] = {
    "method": "GET", "path": "/virtualMachines/[^/]*$", "status": 404, "code": "ResourceNotFound",
}  # fmt: skip


def test_a_vm_that_is_not_shown_yet_is_being_created(lab: Lab, driver: AzureDriver) -> None:
    begun = driver.create(spec(), start())
    lab.azure.faults.add(Rule(**HIDDEN))
    seen = driver.get(WORKER, begun.operation)
    assert (seen.phase, seen.operation) == (Phase.CREATING, begun.operation)
    assert lab.settled(driver, seen).phase is Phase.RUNNING
    lab.azure.faults.add(Rule(**HIDDEN))
    with pytest.raises(NotFound):
        driver.get(WORKER, begun.operation)


def test_a_vm_that_exists_and_is_not_shown_keeps_its_parts(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.faults.add(Rule(**PUT, lose_answer=True))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(), start())
    for part in lab.azure.state.parts.values():
        part.user = ""  # Azure notes it a little later
    lab.azure.faults.add(Rule(**HIDDEN, times=2))
    with pytest.raises(Unavailable, match=r"VM herder-.* exists. Azure does not show it yet") as caught:
        driver.create(spec(), start())
    assert caught.value.leaves_parts
    lab.jump(60)
    assert len(lab.left()) == 4


def _once_blind(driver: AzureDriver) -> Callable[[WorkerName], Any]:
    looks: list[WorkerName] = []

    def find(worker: WorkerName) -> Any:
        looks.append(worker)
        return None if len(looks) == 1 else AzureDriver._find(driver, worker)

    return find


def test_a_creation_that_ended_because_of_the_rate_is_begun_again(lab: Lab, driver: AzureDriver) -> None:
    """To ask again for an operation that has ended would wait for ever."""
    lab.azure.faults.add(Rule(operation="create", code="OperationThrottled", text="Too many."))
    begun = driver.create(spec(), start())
    lab.jump(60)
    with pytest.raises(NotFound, match="Too many"):
        driver.get(WORKER, begun.operation)
    lab.jump(60)
    assert lab.running(driver).phase is Phase.RUNNING


def test_reads_are_tried_again(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.azure.faults.add(Rule(method="GET", path="/virtualMachines/", status=503, times=2))
    assert driver.get(WORKER).phase is Phase.RUNNING


def test_an_operation_that_never_ends_can_be_given_up(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.faults.add(Rule(operation="create", never_ends=True))
    begun = driver.create(spec(), start())
    lab.jump(3_600)
    assert driver.get(WORKER, begun.operation).phase is Phase.CREATING
    removed = driver.delete(WORKER)
    with pytest.raises(NotFound):
        lab.settled(driver, removed)
    assert lab.left() == []


@pytest.mark.parametrize("fails", [False, True])
def test_an_operation_that_azure_has_forgotten_is_seen_at_the_vm(
    lab: Lab, driver: AzureDriver, fails: bool
) -> None:
    if fails:
        lab.azure.state.sold_out.add((ZONE, False))
    begun = driver.create(spec(), start())
    lab.jump(20)
    lab.azure.state.operations.clear()
    if fails:
        with pytest.raises(OutOfCapacity, match="sufficient capacity"):
            lab.driver().get(WORKER, begun.operation)
    else:
        assert lab.driver().get(WORKER, begun.operation).phase is Phase.RUNNING


def test_an_address_of_an_operation_that_is_too_long_is_not_kept(lab: Lab, driver: AzureDriver) -> None:
    long = f"https://management.azure.com/operations/1?t={'x' * 3_000}"
    lab.azure.faults.add(Rule(**PUT, headers={"Azure-AsyncOperation": long}))
    begun = driver.create(spec(), start())
    assert len(begun.operation) < 10
    assert lab.settled(driver, begun).phase is Phase.RUNNING


def test_a_card_that_is_not_ready_is_waited_for(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.faults.add(Rule(operation="put networkInterfaces", delay_ms=20_000))
    with pytest.raises(Unavailable, match=r"Network card .* is not ready: its state is Updating"):
        driver.create(spec(), start())
    lab.jump(20)
    assert lab.running(driver).phase is Phase.RUNNING


def test_a_vm_that_failed_stays_at_azure_and_makes_room_for_the_next(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.faults.add(Rule(operation="create", code="OSProvisioningTimedOut", text="It has not started."))
    driver.create(spec(), start())
    lab.jump(20)
    (shown,) = driver.list()
    assert (shown.phase, "It has not started." in shown.detail) == (Phase.FAILED, True)
    for _ in range(2):
        with pytest.raises(Unavailable, match="earlier VM of worker burst-1-0 is being removed"):
            driver.create(spec(), start())
    lab.jump(20)
    assert lab.running(driver).phase is Phase.RUNNING


def test_pages_are_followed_and_one_that_expires_starts_anew(lab: Lab, driver: AzureDriver) -> None:
    for number in range(7):
        driver.create(spec(f"burst-1-{number}"), start())
    lab.azure.pages.rows_max = 3
    assert len(driver.list()) == 7
    lists = "/resourceGroups/herder/providers/Microsoft.Compute/virtualMachines$"
    lab.azure.faults.add(Rule(path=lists))  # the first page is as it is
    lab.azure.faults.add(Rule(path=lists, status=400, code="InvalidSkipToken", text="It has expired."))
    lab.azure.asked.clear()
    listing = driver.list()
    assert (len(listing), listing.complete) == (7, True)
    assert lab.azure.asked.count("VirtualMachines_List") == 4


def test_a_next_page_on_another_host_gets_no_credentials(
    lab: Lab, driver: AzureDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.running(driver)
    page = {"value": [], "nextLink": "https://elsewhere.example/subscriptions/x?api-version=1"}
    lab.azure.faults.add(Rule(path="/disks$", status=200, body=page))
    asked, ask = list[tuple[str, str]](), lab.azure.request

    def request(request: Request, now_ms: int) -> Answer:
        asked.append((request.host, request.path))
        return ask(request, now_ms)

    monkeypatch.setattr(lab.azure, "request", request)
    driver.list()
    assert asked[-1] == ("management.azure.com", "/subscriptions/x")


def test_the_description_of_the_api_refuses_what_it_does_not_have(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deliberate misspelling in a request."""
    from herder.drivers.azure.bodies import Bodies

    right = Bodies._market
    monkeypatch.setattr(Bodies, "_market", lambda self: {"prioritie": right(self)["priority"]})
    with pytest.raises(InvalidRequest, match="property prioritie is unknown"):
        lab.driver().create(spec(), start())


def test_a_vm_without_spot_capacity_of_its_size() -> None:
    """The quota of spot cores is another one than that of cores."""
    size = Size(name=SIZE, family="standardDSv5Family", cpus=2, memory_gib=8)
    lab = Lab(inventory=Inventory(sizes=(size,), quotas={"cores": 0, "lowPriorityCores": 2}))
    driver = lab.driver()
    assert lab.running(driver, spot=True).phase is Phase.RUNNING
    with pytest.raises(QuotaExceeded, match="lowPriorityCores"):
        driver.create(spec("burst-1-1", spot=True), start())
    lab.close()
