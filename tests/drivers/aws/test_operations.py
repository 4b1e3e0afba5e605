"""What AWS did with the instances of a worker, as its log and EC2 say it: creations that were refused, by whom an instance was ended, and why."""

from __future__ import annotations

import pytest

from herder.drivers.aws import AwsDriver
from herder.drivers.aws.services import CREATIONS_MAX
from herder.model.fleet.driver import OutOfCapacity
from herder.model.fleet.driver_capabilities import ProviderOperation
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from tests.drivers.aws.lab import ZONE, Lab, spec, start

WORKER = WorkerName("burst-1-0")


def told(driver: AwsDriver) -> list[tuple[str, str, str]]:
    return [(each.kind, each.state, each.by) for each in driver.operations(WORKER)]


def test_the_log_says_who_did_what_the_newest_first(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    lab.running(driver, name="burst-1-1")
    lab.jump(60)
    driver.reboot(WORKER)
    lab.jump(60)
    lab.aws.stop(lab.aws.instances[driver.get(WORKER).handle])
    lab.jump(10)
    found = driver.operations(WORKER)
    assert [(each.kind, each.state, each.by) for each in found] == [
        ("StopInstances", "done", "someone"),
        ("RebootInstances", "done", "herder"),
        ("RunInstances", "done", "herder"),
        ("Client.UserInitiatedShutdown", "done", ""),
    ]
    assert found[0].began_ms is not None
    assert found[0].began_ms == lab.clock.ms - 10_000


def test_a_creation_that_was_refused_is_told_with_the_reason(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.sold_out.add((ZONE, False))
    with pytest.raises(OutOfCapacity):
        driver.create(spec(zone=ZONE), start())
    (found,) = driver.operations(WORKER)
    assert (found.kind, found.state, found.by) == ("RunInstances", "failed", "herder")
    assert found.detail.startswith("Server.InsufficientInstanceCapacity: We currently do not have")


def test_an_interruption_is_told_with_its_time_as_long_as_ec2_shows_it(lab: Lab, driver: AwsDriver) -> None:
    made = lab.running(driver, spot=True)
    lab.aws.interrupt(made.handle)
    began_ms = lab.clock.ms
    lab.jump(130)
    reason, ran = driver.operations(WORKER)
    assert (reason.kind, reason.state, reason.by) == ("Server.SpotInstanceTermination", "done", "")
    assert reason.began_ms == began_ms // 1000 * 1000 + 120_000
    lab.jump(4_000)
    assert not lab.aws.instances
    assert lab.driver().operations(WORKER) == [ran], "the log is there for 90 days"


def test_what_the_log_does_not_have_yet_ec2_says(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.trail_lag_ms = 300_000
    made = driver.create(spec(), start())
    (found,) = driver.operations(WORKER)
    assert found == ProviderOperation(
        kind="RunInstances",
        state="running",
        began_ms=lab.clock.ms,
        detail=f"Instance {made.handle} is pending.",
    )
    lab.jump(301)
    assert told(driver) == [("RunInstances", "done", "herder")]


def test_an_instance_that_never_ran_has_failed(lab: Lab, driver: AwsDriver) -> None:
    code = "Server.InternalError"
    lab.aws.trail_lag_ms = 300_000
    lab.aws.faults.add(Rule(operation="RunInstances", code=code, text=f"{code}: Internal error on launch"))
    driver.create(spec(), start())
    lab.jump(10)
    assert [(each.kind, each.state) for each in driver.operations(WORKER)] == [
        ("RunInstances", "failed"),
        (code, "failed"),
    ]


def test_without_the_permission_for_the_log_ec2_says_what_it_knows(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    lab.aws.missing.add("cloudtrail:LookupEvents")
    missing, ran = driver.operations(WORKER)
    assert (missing.kind, missing.state) == ("LookupEvents", "failed")
    assert "the account lacks the permission cloudtrail:LookupEvents" in missing.detail
    assert (ran.kind, ran.state) == ("RunInstances", "done")


def test_only_so_many_creations_of_the_account_are_looked_through(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    lab.settled(driver, driver.delete(WORKER))
    lab.jump(4_000)
    for _ in range(CREATIONS_MAX - 1):
        lab.aws.note("RunInstances", "others", token="theirs")
    assert [kind for kind, _, _ in told(driver)] == ["TerminateInstances", "RunInstances"]
    lab.aws.note("RunInstances", "others", token="theirs")
    before = len(lab.aws.asked)
    assert told(driver) == [], "AWS no longer shows the instance, and nobody remembers its id"
    assert lab.aws.asked[before:].count("cloudtrail:LookupEvents") == CREATIONS_MAX // 50


def test_a_creation_of_long_ago_is_told_once(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    for _ in range(CREATIONS_MAX):
        lab.aws.note("RunInstances", "others", token="theirs")
    assert told(driver) == [("RunInstances", "done", "herder")]


def test_an_event_that_is_no_json_is_shown_without_its_details(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lab.running(driver)
    event = {"EventId": "1", "EventName": "StopInstances", "CloudTrailEvent": "{", "EventTime": "soon"}
    monkeypatch.setattr(driver._services, "events", lambda ident: [event] if ident == made.handle else [])
    assert ("StopInstances", "done", "") in told(driver)
