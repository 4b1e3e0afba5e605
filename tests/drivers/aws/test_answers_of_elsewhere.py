"""Answers that are not AWS's, or not whole: nothing is called gone because of them, and no list is called complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from herder.drivers.aws import AwsDriver
from herder.drivers.aws.xml import decoded
from herder.model.fleet.driver import DriverError, NotFound, OutcomeUnknown, Phase
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from tests.drivers.aws.lab import Lab, spec, start

WORKER = WorkerName("burst-1-0")
PAGE = b"<html><head><title>Not Found</title></head><body><p>Nothing is here.</p></body></html>"
Ask = Callable[[AwsDriver], Any]
ASKS: dict[str, Ask] = {
    "get": lambda driver: driver.get(WORKER),
    "get of one that is being created": lambda driver: driver.get(WORKER, "create/i-0/0"),
    "get of one that is being removed": lambda driver: driver.get(WORKER, "delete/i-0/0"),
    "delete": lambda driver: driver.delete(WORKER),
    "list": lambda driver: driver.list(),
    "console": lambda driver: driver.console(WORKER),
    "health": lambda driver: driver.health(),
}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "body": PAGE},
        {"status": 404, "body": b"Not Found"},
        {"status": 404, "body": {"message": "no route matches"}},
        {"status": 404, "body": b"<Error><Code>NoSuchKey</Code><Message>None.</Message></Error>"},
        {"status": 200, "body": PAGE},
        {"status": 200, "body": b"<DescribeInstancesResponse><requestId>1</requestId></DescribeInstancesResponse>"},
        {"status": 200, "body": b"<DescribeRegionsResponse><reservationSet/></DescribeRegionsResponse>"},
        {"status": 200, "body": b"<DescribeInstancesResponse/>"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("restarted", [False, True])
def test_an_answer_of_something_else_is_no_missing_instance(
    lab: Lab, driver: AwsDriver, ask: str, answer: dict[str, Any], restarted: bool
) -> None:
    lab.running(driver)
    asked = lab.driver() if restarted else driver
    lab.aws.faults.add(Rule(times=-1, **answer))
    with pytest.raises(DriverError) as caught:
        ASKS[ask](asked)
    assert not isinstance(caught.value, NotFound)
    lab.aws.faults.clear()
    assert asked.get(WORKER).phase is Phase.RUNNING


@pytest.mark.parametrize(
    "inside",
    ["<instancesSet/>", "", "<instancesSet><item/></instancesSet>",
     "<instancesSet><item><instanceId>i-1</instanceId><instanceState><name>later</name></instanceState></item></instancesSet>"],
)  # fmt: skip
def test_a_created_instance_of_which_nothing_is_said_may_be_there(
    lab: Lab, driver: AwsDriver, inside: str
) -> None:
    body = f"<RunInstancesResponse>{inside}</RunInstancesResponse>".encode()
    lab.aws.faults.add(Rule(path="RunInstances$", status=200, body=body, acts=True))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(), start())
    assert lab.running(driver).phase is Phase.RUNNING
    assert len(lab.aws.instances) == 1


def test_no_entities_are_expanded_in_any_encoding() -> None:
    text = '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><r>&b;</r>'
    for encoding in ("utf-8", "utf-16", "iso-8859-1"):
        with pytest.raises(ValueError, match="document type"):
            decoded(f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding))
