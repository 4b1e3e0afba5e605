"""Lists of AWS: in pages, with tokens that expire, with rows twice; and volumes that survive their instances."""

from __future__ import annotations

import pytest

from herder.drivers.aws import AwsDriver
from herder.model.fleet.driver import NotFound, Phase, Unavailable
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from tests.drivers.aws.lab import Lab, spec, start

WORKER = WorkerName("burst-1-0")
EXPIRED = {"path": "DescribeInstances$", "status": 400, "code": "InvalidNextToken", "text": "Expired."}


def five(lab: Lab, driver: AwsDriver) -> list[str]:
    lab.aws.page_rows = 2
    names = [f"burst-1-{number}" for number in range(5)]
    for name in names:
        driver.create(spec(name), start())
    return names


def test_a_token_that_expires_starts_the_list_anew(lab: Lab, driver: AwsDriver) -> None:
    names = five(lab, driver)
    lab.aws.faults.add(Rule(**EXPIRED))
    assert [each.worker for each in driver.list()] == names


def test_a_list_that_cannot_be_read_to_its_end_is_an_error(lab: Lab, driver: AwsDriver) -> None:
    """Never a part of it: what is not in a list counts as gone."""
    five(lab, driver)
    before, requests = lab.aws.request, list[str]()

    def expires_on_the_second_page(request: object, now_ms: int) -> object:
        requests.append("")
        if len(requests) % 2 == 0:
            lab.aws.faults.add(Rule(**EXPIRED))
        return before(request, now_ms)  # type: ignore[arg-type]

    lab.aws.request = expires_on_the_second_page  # type: ignore[method-assign, assignment]
    with pytest.raises(Unavailable, match="InvalidNextToken"):
        driver.list()
    assert len(requests) == 4


def test_a_row_on_two_pages_is_one_machine(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, read = five(lab, driver), driver._api.instances
    monkeypatch.setattr(driver._api, "instances", lambda *asked: [*read(*asked), *read(*asked)])
    assert [each.worker for each in driver.list()] == names


def test_a_state_that_is_not_known_makes_the_list_a_part(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, read = five(lab, driver), driver._api.instances

    def strange(token: str, what: str) -> object:
        rows = read(token, what)
        rows[0]["instanceState"] = {"name": "hibernating"}
        return rows

    monkeypatch.setattr(driver._api, "instances", strange)
    found = driver.list()
    assert not found.complete
    assert [each.worker for each in found] == names[1:]


def left_over(lab: Lab, driver: AwsDriver) -> str:
    """A volume that people have told to stay."""
    lab.running(driver)
    (volume,) = lab.aws.volumes.values()
    volume.stays = True
    lab.settled(driver, driver.delete(WORKER))
    return volume.id


def test_a_volume_that_survives_is_shown_after_a_while_and_removed(lab: Lab, driver: AwsDriver) -> None:
    volume = left_over(lab, driver)
    assert not driver.list().machines
    lab.jump(601)
    (found,) = driver.list()
    assert (found.worker, found.phase, found.handle) == (WORKER, Phase.FAILED, volume)
    begun = driver.delete(WORKER)
    assert begun.phase is Phase.STOPPING
    assert driver.get(WORKER, begun.operation).phase is Phase.GONE
    with pytest.raises(NotFound):
        driver.delete(WORKER)
    assert not lab.aws.volumes


def test_volumes_of_others_stay(lab: Lab, driver: AwsDriver) -> None:
    volume = lab.aws.volumes[left_over(lab, driver)]
    volume.tags["herder-installation"] = "theirs"
    with pytest.raises(NotFound):
        driver.delete(WORKER)
    driver.list()
    lab.jump(601)
    assert not driver.list().machines
    assert lab.aws.volumes


@pytest.mark.parametrize("action", ["DescribeVolumes", "DeleteVolume"])
def test_without_a_right_to_volumes_instances_are_removed_all_the_same(
    lab: Lab, driver: AwsDriver, caplog: pytest.LogCaptureFixture, action: str
) -> None:
    lab.aws.missing.add(f"ec2:{action}")
    left_over(lab, driver)
    with pytest.raises(NotFound):
        driver.delete(WORKER)
    assert f"lacks the permission ec2:{action}" in caplog.text
    assert driver.list().complete
