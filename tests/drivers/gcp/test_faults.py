"""What goes wrong at Google Cloud: which error it is, what a person reads, and that nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from herder.drivers.gcp import GcpDriver
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    MachineEnd,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Interruption
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from herder.testing.gcp import Gcp
from herder.testing.gcp.state import PREEMPTED
from tests.drivers.gcp.lab import OPTIONS, ZONE, Lab, spec, start

WORKER = WorkerName("burst-1-0")
INSERT = {"method": "POST", "path": "/instances$"}


Break = Callable[[Gcp], Any]
#: What is broken, what `create` and what follows then raise, and what a person reads.
FAULTS: dict[str, tuple[Break, type[DriverError], str]] = {
    "expired credentials": (
        lambda gcp: gcp.state.tokens.clear(),
        Unauthorised,
        "refused creating VM herder-burst-1-0-.*invalid authentication credentials.*Check the credentials of the driver",
    ),
    "a missing permission is named": (
        lambda gcp: gcp.state.missing.add("compute.subnetworks.useExternalIp"),
        Unauthorised,
        "lacks the permission compute.subnetworks.useExternalIp on projects/herder-tests/zones/europe-west4-a/instances. Add it to the role",
    ),
    "a disabled API": (
        lambda gcp: gcp.state.disabled.add("compute.googleapis.com"),
        Unauthorised,
        "Enable it: `gcloud services enable compute.googleapis.com`",
    ),
    "a quota of 0": (
        lambda gcp: gcp.state.quotas["europe-west4"].update(CPUS=0.0),
        QuotaExceeded,
        "Quota 'CPUS' exceeded.  ?Limit: 0.0 in region europe-west4",
    ),
    "a quota that is refused at once": (
        lambda gcp: gcp.faults.add(Rule(**INSERT, status=403, code="quotaExceeded", text="Quota 'CPUS' exceeded.")),
        QuotaExceeded,
        "Quota 'CPUS' exceeded. Ask the provider for a higher quota, or lower max_workers",
    ),
    "a zone that is sold out": (
        lambda gcp: gcp.state.sold_out.add((ZONE, False)),
        OutOfCapacity,
        "does not have enough resources available",
    ),
    "429 with Retry-After": (
        lambda gcp: gcp.faults.add(Rule(**INSERT, status=429, code="rateLimitExceeded", text="Rate Limit Exceeded", headers={"Retry-After": "60"})),
        RateLimited,
        "limits the rate of calls: Rate Limit Exceeded",
    ),
    "429 without Retry-After": (
        lambda gcp: gcp.faults.add(Rule(**INSERT, status=429, code="rateLimitExceeded", text="Rate Limit Exceeded", times=4)),
        RateLimited,
        "limits the rate of calls",
    ),
    "a rate that is refused with 403": (
        lambda gcp: gcp.faults.add(Rule(**INSERT, status=403, code="rateLimitExceeded", text="Queries per minute exceeded", times=4)),
        RateLimited,
        "Queries per minute exceeded",
    ),
    "an operation that fails inside Google": (
        lambda gcp: gcp.faults.add(Rule(operation="insert", code="INTERNAL_ERROR", text="Internal error. Please try again.")),
        NotFound,
        "failed at creating VM herder-burst-1-0-.*Internal error. Please try again",
    ),
    "a service account that may not be used": (
        lambda gcp: gcp.faults.add(Rule(operation="insert", code="SERVICE_ACCOUNT_ACCESS_DENIED", text="The user does not have access to service account 'x'.")),
        Unauthorised,
        "does not have access to service account",
    ),
    "an answer in another form": (
        lambda gcp: gcp.faults.add(Rule(**INSERT, status=502, body=b"<html>Bad Gateway</html>")),
        OutcomeUnknown,
        "which may have happened: <html>Bad Gateway</html>",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_creation_that_fails(lab: Lab, driver: GcpDriver, fault: str) -> None:
    breaks, kind, words = FAULTS[fault]
    breaks(lab.gcp)
    with pytest.raises(kind, match=words) as caught:
        lab.running(driver)
    assert type(caught.value) is kind
    assert "hush-hush" not in str(caught.value)
    lab.jump(120)
    assert (lab.gcp.state.vms, lab.gcp.state.disks) == ({}, {})


#: Settings and options that Google refuses.
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], type[DriverError], str]] = {
    "a type that the zone does not have": (
        {}, {"driver_options": (("machine_type", "c4-standard-2"),)}, InvalidRequest, "machineTypes/c4-standard-2.*does not exist",
    ),
    "an image that is not found": (
        {"image": "projects/herder-tests/global/images/none"}, {}, InvalidRequest, "images/none' was not found",
    ),
    "no image at all": ({"image": ""}, {}, InvalidRequest, "Pool burst names no image"),
    "another project": ({"project": "other-project"}, {}, Unauthorised, "Failed to find project other-project. Correct the setting project"),
    "a zone that Google does not have": (
        {"zones": "europe-north9-a"}, {}, InvalidRequest, "zones/europe-north9-a' was not found",
    ),
    "a zone that the driver may not use": ({}, {"zone": "asia-east1-a"}, InvalidRequest, "Add it to the setting zones"),
    "an option that is unknown": (
        {}, {"driver_options": (*OPTIONS, ("machin_type", "x"))}, InvalidRequest, "no option 'machin_type'",
    ),
    "no type of machine": ({}, {"driver_options": ()}, InvalidRequest, "does not name a type of machine"),
    "a name that cannot be": ({}, {"name": WorkerName("a/b")}, InvalidRequest, "not a valid name"),
    "a token that was refused": ({"token": "ya29.other"}, {}, Unauthorised, "Check the credentials"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_settings_that_cannot_be(lab: Lab, what: str) -> None:
    settings, changed, kind, words = WRONG[what]
    with pytest.raises(kind, match=words):
        lab.settled(
            lab.driver(**settings), lab.driver(**settings).create(replace(spec(), **changed), start())
        )
    assert lab.gcp.state.vms == {}


def test_wrong_credentials_and_projects_never_look_like_missing_machines(lab: Lab, driver: GcpDriver) -> None:
    machine = lab.running(driver)
    for settings in ({"token": "ya29.other"}, {"project": "other-project"}):
        other = lab.driver(**settings)
        for ask in (other.list, other.health, lambda other=other: other.get(machine.worker)):
            with pytest.raises(Unauthorised):
                ask()


def test_an_answer_after_the_act_is_open_and_looked_up(lab: Lab, driver: GcpDriver) -> None:
    lab.gcp.faults.add(Rule(**INSERT, status=503, text="Backend Error", acts=True))
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        driver.create(spec(), start())
    assert driver.get(WORKER).phase is Phase.CREATING
    again = driver.create(spec(), start())
    assert len(lab.gcp.state.vms) == 1
    assert lab.settled(driver, again).phase is Phase.RUNNING
    assert lab.gcp.asked.count("compute.instances.insert") == 2


def test_a_creation_that_ended_because_of_the_rate_is_begun_again(lab: Lab, driver: GcpDriver) -> None:
    """To ask again for an operation that has ended would wait for ever."""
    lab.gcp.faults.add(Rule(operation="insert", code="RESOURCE_OPERATION_RATE_EXCEEDED", text="Too many."))
    begun = driver.create(spec(), start())
    lab.jump(60)
    with pytest.raises(NotFound, match="Too many"):
        driver.get(WORKER, begun.operation)
    lab.jump(60)
    assert lab.running(driver).phase is Phase.RUNNING


def test_reads_are_tried_again(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    lab.gcp.faults.add(Rule(path="/instances/", status=503, times=2))
    assert driver.get(WORKER).phase is Phase.RUNNING


def test_an_operation_that_never_ends_can_be_given_up(lab: Lab, driver: GcpDriver) -> None:
    lab.gcp.faults.add(Rule(operation="insert", never_ends=True))
    begun = driver.create(spec(), start())
    lab.jump(3_600)
    assert driver.get(WORKER, begun.operation).phase is Phase.CREATING
    removed = driver.delete(WORKER)
    with pytest.raises(NotFound):
        lab.settled(driver, removed)
    assert (lab.gcp.state.vms, lab.gcp.state.disks) == ({}, {})


def test_an_operation_that_google_has_forgotten_is_seen_at_the_vm(lab: Lab, driver: GcpDriver) -> None:
    begun = driver.create(spec(), start())
    lab.jump(20)
    lab.gcp.state.operations.clear()
    assert lab.driver().get(WORKER, begun.operation).phase is Phase.RUNNING


def test_a_vm_that_is_deleted_by_hand_is_gone(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    lab.gcp.state.remove(next(iter(lab.gcp.state.vms.values())))
    for ask in (driver.get, driver.delete, driver.console):
        with pytest.raises(NotFound):
            ask(WORKER)
    assert len(driver.list()) == 0


def test_a_vm_that_is_switched_off_is_stopped(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    next(iter(lab.gcp.state.vms.values())).status = "TERMINATED"
    found = driver.get(WORKER)
    assert (found.phase, found.end) == (Phase.STOPPED, None)


def test_a_status_that_is_not_known_proves_nothing(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    vm = next(iter(lab.gcp.state.vms.values()))
    vm.status = "SUSPENDING"
    assert driver.get(WORKER).phase is Phase.STOPPING
    answer = {"name": vm.name, "id": vm.id, "status": "TELEPORTING", "labels": vm.body["labels"],
              "metadata": vm.body["metadata"], "zone": ZONE}  # fmt: skip
    lab.gcp.faults.add(Rule(path="/instances/", status=200, body=answer))
    with pytest.raises(Unavailable, match="status 'TELEPORTING'"):
        driver.get(WORKER)
    rows = {"items": {"zones/x": {"instances": [answer]}}}
    lab.gcp.faults.add(Rule(path="/aggregated/instances", status=200, body=rows))
    listing = driver.list()
    assert (len(listing), listing.complete) == (0, False)


@pytest.mark.parametrize("booting", [False, True])
def test_a_preemption_is_announced_and_known_as_one(lab: Lab, driver: GcpDriver, booting: bool) -> None:
    begun = driver.create(spec(spot=True), start())
    lab.jump(4)
    if not booting:
        lab.settled(driver, begun)
    (place,) = lab.gcp.state.vms
    lab.gcp.state.preempt(*place)
    lab.jump(10)
    assert driver.interruptions() == [Interruption(worker=WORKER, left_s=20.0)]
    seen = driver.get(WORKER)
    assert (seen.phase, seen.end) == (Phase.STOPPING, MachineEnd.PREEMPTED)
    lab.jump(60)
    assert driver.interruptions() == []
    with pytest.raises(NotFound):
        driver.get(WORKER, begun.operation)


@pytest.mark.parametrize("zones", [f"europe-north9-a, {ZONE}", f"europe-west4-b, {ZONE}, us-central1-a"])
def test_a_zone_that_does_not_answer_hides_no_notice_of_another(lab: Lab, zones: str) -> None:
    driver = lab.driver(zones=zones)
    lab.running(driver, spot=True, zone=ZONE)
    lab.gcp.faults.add(Rule(path="/zones/europe-west4-b/operations", status=503, times=-1))
    with pytest.raises(DriverError):
        driver.interruptions()
    (place,) = lab.gcp.state.vms
    lab.gcp.state.preempt(*place)
    assert [each.worker for each in driver.interruptions()] == [WORKER]


def test_a_preemption_of_others_is_not_ours(lab: Lab, driver: GcpDriver) -> None:
    lab.running(lab.driver(installation="theirs"), spot=True)
    (place,) = lab.gcp.state.vms
    lab.gcp.state.preempt(*place)
    assert driver.interruptions() == []
    kinds = {each.kind for each in lab.gcp.state.operations.values()}
    assert PREEMPTED in kinds


def test_labels_and_metadata_that_people_edit(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    vm = next(iter(lab.gcp.state.vms.values()))
    vm.body["labels"] = {"team": "blue"}
    assert len(driver.list()) == 0, "a list goes by labels"
    assert driver.get(WORKER).phase is Phase.RUNNING, "a question goes by name"
    vm.body["labels"] = {"herder-installation": "lab"}
    vm.body["metadata"] = {"items": []}
    assert [each.worker for each in driver.list()] == [WORKER]
    with pytest.raises(NotFound):
        lab.settled(lab.driver(), lab.driver().delete(WORKER))
    assert lab.gcp.state.vms == {}


def test_a_copy_of_a_vm_is_never_touched(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    vm = next(iter(lab.gcp.state.vms.values()))
    copy = replace(vm, id="9", body=vm.body | {"name": "copy-of-it"})
    lab.gcp.state.vms[ZONE, "copy-of-it"] = copy
    assert [each.handle for each in driver.list()] == [f"{ZONE}/{vm.name}"]
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert list(lab.gcp.state.vms) == [(ZONE, "copy-of-it")]


def test_a_name_that_somebody_else_has_taken(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    vm = next(iter(lab.gcp.state.vms.values()))
    vm.body["labels"], vm.body["metadata"] = {}, {"items": []}
    with pytest.raises(InvalidRequest, match="was not made for worker burst-1-0, but has its name"):
        driver.create(spec(), start())
    with pytest.raises(NotFound):
        driver.delete(WORKER)
    assert len(lab.gcp.state.vms) == 1


def test_a_vm_under_protection_says_so(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    next(iter(lab.gcp.state.vms.values())).body["deletionProtection"] = True
    with pytest.raises(InvalidRequest, match="protected against deletion"):
        driver.delete(WORKER)


def test_a_deletion_that_fails_inside_google_is_begun_again(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    lab.gcp.faults.add(
        Rule(operation="delete", code="INTERNAL_ERROR", text="Internal error. Please try again.")
    )
    removed = driver.delete(WORKER)
    next(iter(lab.gcp.state.vms.values())).status = "RUNNING"
    with pytest.raises(NotFound):
        lab.settled(driver, removed)
    assert (lab.gcp.state.vms, lab.gcp.state.disks) == ({}, {})


def test_google_deletes_what_nobody_has_removed(lab: Lab) -> None:
    driver = lab.driver(max_run_hours=2.0)
    lab.running(driver)
    lab.jump(7_100)
    assert len(lab.gcp.state.vms) == 1
    lab.jump(200)
    assert (lab.gcp.state.vms, lab.gcp.state.disks) == ({}, {})


def test_pages_are_followed_and_a_token_that_expires_starts_anew(lab: Lab, driver: GcpDriver) -> None:
    for number in range(7):
        driver.create(spec(f"burst-1-{number}"), start())
    lab.gcp._pages.rows_max = 3
    assert len(driver.list()) == 7
    lab.gcp.faults.add(Rule(path="/aggregated/instances", times=1))  # the first page is as it is
    lab.gcp.faults.add(
        Rule(
            path="/aggregated/instances",
            status=400,
            code="invalid",
            text="Invalid value for field 'pageToken': 'p-3'.",
        )
    )
    lab.gcp.asked.clear()
    listing = driver.list()
    assert (len(listing), listing.complete) == (7, True)
    assert lab.gcp.asked.count("compute.instances.aggregatedList") == 4


def test_the_description_of_the_api_refuses_what_it_does_not_have(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deliberate misspelling in a request."""
    from herder.drivers.gcp import instances

    right = instances._scheduling

    def misspelled(*arguments: Any, **more: Any) -> dict[str, Any]:
        found = right(*arguments, **more)
        return {
            "provisioningModle" if name == "provisioningModel" else name: each for name, each in found.items()
        }

    monkeypatch.setattr(instances, "_scheduling", misspelled)
    with pytest.raises(InvalidRequest, match="provisioningModle"):
        lab.driver().create(spec(), start())
