"""Answers that are not Google's, or not whole: nothing is called gone because of them, and no list is called complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from herder.drivers.gcp import GcpDriver
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Phase,
    Unavailable,
)
from herder.testing.fakes import Rule
from tests.drivers.gcp.lab import ZONE, Lab, spec, start
from tests.drivers.gcp.test_faults import INSERT, WORKER

NO_PAGE = b"<html><body>404 The requested page cannot be found.</body></html>"
Ask = Callable[[GcpDriver], Any]
ASKS: dict[str, Ask] = {
    "get": lambda driver: driver.get(WORKER),
    "get of one that is being created": lambda driver: driver.get(WORKER, f"create/{ZONE}/operation-1"),
    "get of one that is being removed": lambda driver: driver.get(WORKER, f"delete/{ZONE}/operation-1"),
    "delete": lambda driver: driver.delete(WORKER),
    "console": lambda driver: driver.console(WORKER),
}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "body": NO_PAGE},
        {"status": 404, "body": {"message": "no route matches"}},
        {"status": 404, "code": "notFound", "text": "Method not found."},
        {"status": 200, "body": {}},
        {"status": 200, "body": {"error": {"code": 404}}},
        {"status": 200, "body": {"name": "other", "id": "7", "status": "RUNNING", "zone": ZONE}},
    ],
)
@pytest.mark.parametrize("ask", ASKS)
def test_an_answer_of_something_else_is_no_missing_machine(
    lab: Lab, driver: GcpDriver, ask: str, answer: dict[str, Any]
) -> None:
    lab.running(driver)
    lab.gcp.faults.add(Rule(path="/projects/", times=-1, **answer))
    with pytest.raises(DriverError) as caught:
        ASKS[ask](driver)
    assert not isinstance(caught.value, NotFound)
    lab.gcp.faults.clear()
    assert driver.get(WORKER).phase is Phase.RUNNING


ERROR = {"error": {"code": 503, "message": "later"}}
ROW = {"zones/x": {"instances": [7]}}


@pytest.mark.parametrize(
    "body",
    [{}, ERROR, [], {"kind": "compute#instanceAggregatedList", **ERROR}, {"items": []}, {"items": ROW}],
)
def test_a_page_without_rows_is_no_empty_list(lab: Lab, driver: GcpDriver, body: Any) -> None:
    lab.running(driver)
    lab.gcp.faults.add(Rule(path="/aggregated/instances", status=200, body=body, times=-1))
    with pytest.raises(Unavailable):
        driver.list()


@pytest.mark.parametrize("code", ["PARTIAL_SUCCESS", "UNREACHABLE", "LIST_OVERHEAD_QUOTA_EXCEED"])
def test_a_list_that_warns_of_something_is_not_complete(lab: Lab, driver: GcpDriver, code: str) -> None:
    lab.running(driver)
    page = {"kind": "compute#instanceAggregatedList", "items": {}, "warning": {"code": code}}
    lab.gcp.faults.add(Rule(path="/aggregated/instances", status=200, body=page))
    assert not driver.list().complete
    assert driver.list().complete


@pytest.mark.parametrize("scope", [{}, {"error": {"code": 503}}])
def test_a_zone_of_which_nothing_is_said_makes_no_list_complete(
    lab: Lab, driver: GcpDriver, scope: Any
) -> None:
    lab.running(driver)
    page = {"kind": "compute#instanceAggregatedList", "items": {f"zones/{ZONE}": scope}}
    lab.gcp.faults.add(Rule(path="/aggregated/instances", status=200, body=page))
    assert not driver.list().complete


@pytest.mark.parametrize("body", [{}, ERROR, [], {"kind": "compute#operation"}])
def test_an_act_of_which_nothing_is_said_may_have_happened(lab: Lab, driver: GcpDriver, body: Any) -> None:
    lab.gcp.faults.add(Rule(**INSERT, status=200, body=body, acts=True))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(), start())
    assert lab.running(driver).phase is Phase.RUNNING
    lab.gcp.faults.add(Rule(method="DELETE", status=200, body=body, acts=True))
    with pytest.raises(OutcomeUnknown):
        driver.delete(WORKER)
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(WORKER))
    assert len(lab.gcp.state.vms) == 0


def test_boot_data_that_google_quotes_are_not_shown(lab: Lab, driver: GcpDriver) -> None:
    data = "#cloud-config\nkey: machine-secret"
    text = f"Invalid value for field 'metadata.items[1].value': '{data}'."
    lab.gcp.faults.add(Rule(**INSERT, status=400, code="invalid", text=text))
    with pytest.raises(InvalidRequest, match=r"items\[1\].value': '\(secret\)'") as caught:
        driver.create(spec(), replace(start(), boot=BootData(user_data=data)))
    assert "machine-secret" not in str(caught.value)
