"""Answers that are not Azure's, or not whole: nothing is called gone because of them, and no list is called complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from herder.drivers.azure import AzureDriver
from herder.model.fleet.driver import DriverError, NotFound, Phase, Unavailable
from herder.testing.fakes import Rule
from tests.drivers.azure.lab import Lab, spec, start
from tests.drivers.azure.test_faults import WORKER

NO_PAGE = b"<html><body>404 The requested page cannot be found.</body></html>"
Ask = Callable[[AzureDriver], Any]
ASKS: dict[str, Ask] = {
    "get": lambda driver: driver.get(WORKER),
    "get of one that is being created": lambda driver: driver.get(WORKER, "create "),
    "get of one that is being removed": lambda driver: driver.get(WORKER, "delete"),
    "delete": lambda driver: driver.delete(WORKER),
    "console": lambda driver: driver.console(WORKER),
}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "body": NO_PAGE},
        {"status": 404, "body": {"message": "no route matches"}},
        {"status": 404, "code": "InvalidResourceType", "text": "The resource type could not be found."},
        {"status": 200, "body": {}},
        {"status": 200, "body": {"error": {"code": "ResourceNotFound"}}},
        {"status": 200, "body": {"id": "/x/other", "name": "other"}},
    ],
)
@pytest.mark.parametrize("ask", ASKS)
def test_an_answer_of_something_else_is_no_missing_machine(
    lab: Lab, driver: AzureDriver, ask: str, answer: dict[str, Any]
) -> None:
    lab.running(driver)
    lab.azure.faults.add(Rule(path="^/subscriptions/", times=-1, **answer))
    with pytest.raises(DriverError) as caught:
        ASKS[ask](driver)
    assert not isinstance(caught.value, NotFound)
    lab.azure.faults.clear()
    assert driver.get(WORKER).phase is Phase.RUNNING


@pytest.mark.parametrize("body", [{}, {"error": {"code": "ServerBusy"}}, {"value": None}, {"value": {}}, []])
@pytest.mark.parametrize("path", ["/resourceGroups/herder/.*/virtualMachines$", "/virtualMachines$"])
def test_a_page_without_rows_is_no_empty_list(lab: Lab, driver: AzureDriver, path: str, body: Any) -> None:
    lab.running(driver)
    lab.azure.faults.add(Rule(path=path, status=200, body=body, times=-1))
    with pytest.raises(Unavailable):
        driver.list()


@pytest.mark.parametrize("row", [None, "a VM", []])
def test_a_row_that_is_none_is_not_passed_over(lab: Lab, driver: AzureDriver, row: Any) -> None:
    lab.running(driver)
    lab.azure.faults.add(Rule(path="/virtualMachines$", status=200, body={"value": [row]}))
    with pytest.raises(Unavailable):
        driver.list()


@pytest.mark.parametrize(
    "link",
    ["https://management.azure.com?$skiptoken=x", "https://[", {"href": "/x"}, 7, "?$skiptoken=x"],
)
def test_a_link_to_the_next_page_that_leads_nowhere_is_no_last_page(
    lab: Lab, driver: AzureDriver, link: Any
) -> None:
    lab.running(driver)
    lab.azure.faults.add(Rule(path="/virtualMachines$", status=200, body={"value": [], "nextLink": link}))
    with pytest.raises(Unavailable):
        driver.list()


@pytest.mark.parametrize("body", [{}, {"error": {"code": "ServerBusy", "message": "later"}}, []])
def test_a_created_vm_of_which_nothing_is_said_may_be_there(lab: Lab, driver: AzureDriver, body: Any) -> None:
    """The card, too: it is asked for again."""
    lab.azure.faults.add(Rule(method="PUT", path="/networkInterfaces/", status=200, body=body, acts=True))
    with pytest.raises(Unavailable):
        driver.create(spec(), start())
    assert lab.running(driver).phase is Phase.RUNNING
