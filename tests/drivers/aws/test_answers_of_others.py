"""Answers that are not AWS's, or not about what was asked: they prove nothing, and nobody's instance is ended for them."""

from __future__ import annotations

import pytest

from herder.drivers.aws import AwsDriver
from herder.model.fleet.driver import NotFound, OutcomeUnknown, Unavailable
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from tests.drivers.aws.lab import Lab, spec, start

WORKER = WorkerName("burst-1-0")
PAGE = b"<html><head><title>Log in</title></head><body>Welcome to the network.</body></html>"


def answer(lab: Lab, path: str, body: object, status: int = 200) -> None:
    lab.aws.faults.add(Rule(path=path, status=status, body=body, times=-1))


@pytest.mark.parametrize("status", [200, 404])
def test_a_page_of_something_in_between_proves_nothing(lab: Lab, driver: AwsDriver, status: int) -> None:
    lab.running(driver)
    answer(lab, "DescribeInstances$", PAGE, status)
    with pytest.raises(Unavailable):
        driver.list()
    for one in (driver, lab.driver()):
        with pytest.raises(Unavailable):
            one.get(WORKER)
        with pytest.raises(Unavailable):
            one.delete(WORKER)


_STRANGE = b"<a><requestId>1</requestId><instancesSet><item><b/></item></instancesSet></a>"


@pytest.mark.parametrize("body", [PAGE, b"", _STRANGE])
def test_a_creation_whose_answer_names_no_instance_may_have_happened(
    lab: Lab, driver: AwsDriver, body: bytes
) -> None:
    answer(lab, "RunInstances", body)
    with pytest.raises(OutcomeUnknown, match=r"names no instance|may have happened"):
        driver.create(spec(), start())


def test_an_end_whose_answer_is_not_one_of_aws_may_have_happened(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    answer(lab, "TerminateInstances", PAGE)
    with pytest.raises(OutcomeUnknown, match=r"is not one of AWS\..* It may have happened"):
        driver.delete(WORKER)


@pytest.mark.parametrize("body", [{}, [], {"Quotas": None, "PriceList": None}, None])
def test_a_service_that_answers_nothing_has_said_nothing(lab: Lab, driver: AwsDriver, body: object) -> None:
    answer(lab, "ListServiceQuotas", body)
    answer(lab, "GetProducts", body)
    with pytest.raises(Unavailable, match="is not one of AWS"):
        driver.quotas()
    assert {each.spot for each in driver.prices()} == {True}


def test_an_answer_about_another_instance_proves_nothing(lab: Lab, driver: AwsDriver) -> None:
    made = lab.running(driver)
    other = lab.running(driver, name="burst-1-1")
    instances = lab.aws.instances
    instances[made.handle], instances[other.handle] = instances[other.handle], instances[made.handle]
    with pytest.raises(Unavailable, match="is about another one"):
        driver.get(WORKER)


def test_a_list_that_does_not_heed_the_filter_ends_nobody_elses_instance(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = lab.running(lab.driver(installation="theirs"))
    rows = driver._api.running()
    monkeypatch.setattr(driver._api, "_instances", lambda *_asked: rows)
    with pytest.raises(NotFound):
        driver.delete(WORKER)
    assert not driver.list().machines
    assert lab.aws.instances[theirs.handle].state == "running"
    assert driver.create(spec(), start()).handle != theirs.handle
