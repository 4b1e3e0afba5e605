"""Answers that are not Terra's, or not whole: nothing is called gone because of them, and no list is called complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from herder.drivers.terra import TerraDriver
from herder.model.fleet.driver import DriverError, NotFound, OutcomeUnknown, Phase, Unavailable
from herder.testing.fakes import Rule
from tests.drivers.terra.lab import Lab, spec, start
from tests.drivers.terra.test_faults import POST, WORKER

Ask = Callable[[TerraDriver], Any]
ASKS: dict[str, Ask] = {
    "get": lambda driver: driver.get(WORKER),
    "get of one that is being created": lambda driver: driver.get(WORKER, "create x"),
    "get of one that is being removed": lambda driver: driver.get(WORKER, "delete x"),
    "delete": lambda driver: driver.delete(WORKER),
    "list": lambda driver: driver.list(),
    "operations": lambda driver: driver.operations(WORKER),
}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "body": b"<html>Not Found</html>"},
        {"status": 404, "body": {"message": "no route matches"}},
        {"status": 404, "body": []},
        {"status": 200, "body": {}},
        {"status": 200, "body": []},
        {"status": 200, "body": {"metadata": {"resourceId": "another", "state": "READY"}}},
        {"status": 200, "body": {"metadata": 7, "resources": 7, "results": 7}},
        {"status": 200, "body": {"resources": [None], "results": ["a job"]}},
        {"status": 200, "body": {"resources": [{}], "results": None}},
    ],
)
@pytest.mark.parametrize("ask", ASKS)
def test_an_answer_of_something_else_is_no_missing_machine(
    lab: Lab, driver: TerraDriver, ask: str, answer: dict[str, Any]
) -> None:
    lab.running(driver)
    lab.terra.faults.add(Rule(times=-1, **answer))
    with pytest.raises(DriverError) as caught:
        ASKS[ask](driver)
    assert not isinstance(caught.value, NotFound)
    lab.terra.faults.clear()
    assert driver.get(WORKER).phase is Phase.RUNNING


@pytest.mark.parametrize("body", [{}, [], {"jobReport": {"status": "LATER"}}, {"jobReport": None}])
def test_a_created_vm_of_which_nothing_is_said_may_be_there(lab: Lab, driver: TerraDriver, body: Any) -> None:
    lab.terra.faults.add(Rule(**POST, status=200, body=body, acts=True))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(), start())
    assert lab.running(driver).phase is Phase.RUNNING
    assert len(lab.terra.state.jobs) == 1


@pytest.mark.parametrize("body", [{}, {"jobReport": {"status": "LATER"}}])
def test_a_job_of_which_nothing_is_said_has_not_ended(lab: Lab, driver: TerraDriver, body: Any) -> None:
    """A second one would be begun."""
    begun = driver.create(spec(), start())
    vms, lab.terra.state.vms = lab.terra.state.vms, {}
    lab.terra.faults.add(Rule(path="/create-result/", status=200, body=body, times=2))
    for ask in (lambda: driver.create(spec(), start()), lambda: driver.get(WORKER, begun.operation)):
        with pytest.raises(Unavailable, match="not one of Terra"):
            ask()
    lab.terra.state.vms = vms
    assert lab.settled(driver, begun).phase is Phase.RUNNING
    assert len(lab.terra.state.jobs) == 1
