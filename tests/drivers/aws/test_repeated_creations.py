"""A creation that is made again: after a lost answer, after a restart, after its instance has ended, after AWS has forgotten it. One instance, never two."""

from __future__ import annotations

from dataclasses import replace

import pytest

from herder.drivers.aws import AwsDriver
from herder.drivers.aws import driver as module
from herder.drivers.aws.instances import token_of
from herder.model.fleet.driver import NotFound, OutcomeUnknown, Phase, Unavailable
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from tests.drivers.aws.lab import Lab, spec, start

WORKER = WorkerName("burst-1-0")
RUN = "RunInstances"
OTHER_TOKEN = replace(start(), activation_token="another-token")


def live(lab: Lab) -> list[str]:
    return [each.id for each in lab.aws.instances.values() if each.counts]


def test_the_same_request_after_a_restart_is_answered_with_the_first_instance(lab: Lab) -> None:
    lab.aws.listing_lag_ms = 30_000
    lab.aws.faults.add(Rule(path=RUN, lose_answer=True))
    with pytest.raises(OutcomeUnknown):
        lab.driver().create(spec(), start())
    assert [lab.driver().create(spec(), start()).handle] == live(lab)


def test_another_request_waits_until_the_first_instance_is_shown(lab: Lab) -> None:
    """A second try has another activation token, so that its parameters differ: AWS refuses it, and the first instance is the worker's."""
    lab.aws.listing_lag_ms = 30_000
    lab.aws.faults.add(Rule(path=RUN, lose_answer=True))
    with pytest.raises(OutcomeUnknown):
        lab.driver().create(spec(), start())
    again = lab.driver()
    with pytest.raises(Unavailable, match="is not in the lists of AWS yet"):
        again.create(spec(), OTHER_TOKEN)
    lab.jump(31)
    assert [again.create(spec(), OTHER_TOKEN).handle] == live(lab)


def test_a_worker_is_created_again_after_aws_has_forgotten_its_instance(lab: Lab, driver: AwsDriver) -> None:
    """AWS shows an instance for an hour after its end, and knows its client token for a day."""
    first = lab.running(driver)
    lab.settled(driver, driver.delete(WORKER))
    lab.jump(3_700)
    assert not lab.aws.instances
    again = lab.driver()
    with pytest.raises(NotFound):
        again.get(WORKER)
    second = lab.running(again)
    assert second.handle != first.handle
    assert live(lab) == [second.handle]
    assert [token[-2:] for token, _ in lab.aws.tokens] == ["-0", "-1"]


def test_a_token_that_is_known_with_other_parameters_and_never_shown_is_passed_over(
    lab: Lab, driver: AwsDriver
) -> None:
    made = driver.create(spec(), start())
    del lab.aws.instances[made.handle]
    again = lab.driver()
    for _ in range(3):
        with pytest.raises(Unavailable, match="Herder looks again"):
            again.create(spec(), OTHER_TOKEN)
        lab.jump(39)
    lab.jump(10)
    assert [again.create(spec(), OTHER_TOKEN).handle] == live(lab)


def test_an_answer_with_an_instance_that_has_ended_is_none(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AWS answered in earlier years, instead of with an error."""
    lab.running(driver)
    lab.settled(driver, driver.delete(WORKER))
    (ended,) = lab.aws.instances.values()
    again = lab.driver()
    monkeypatch.setattr(again, "_all", lambda _worker: [])
    run, answers = again._api.run, [{"instanceId": ended.id, "instanceState": {"name": "terminated"}}]
    monkeypatch.setattr(again._api, "run", lambda *arguments: answers.pop() if answers else run(*arguments))
    assert [again.create(spec(), start()).handle] == live(lab)


def test_tokens_that_are_all_used_are_an_error_with_what_helps(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOKENS_MAX", 2)
    lab.aws.faults.add(Rule(path=RUN, status=400, code="IdempotentInstanceTerminated", times=2))
    with pytest.raises(Unavailable, match="2 instances of worker burst-1-0 that have ended"):
        driver.create(spec(), start())
    assert not lab.aws.instances


def test_an_instance_that_is_ending_is_waited_for(lab: Lab, driver: AwsDriver) -> None:
    first = lab.running(driver)
    assert driver.delete(WORKER).phase is Phase.STOPPING
    with pytest.raises(Unavailable, match="An earlier instance of worker burst-1-0 is ending"):
        driver.create(spec(), start())
    lab.jump(10)
    assert driver.create(spec(), start()).handle != first.handle


def test_an_instance_that_a_person_stopped_is_told_and_can_be_removed(lab: Lab, driver: AwsDriver) -> None:
    made = lab.running(driver)
    lab.aws.stop(lab.aws.instances[made.handle])
    assert driver.get(WORKER).phase is Phase.STOPPING
    lab.jump(10)
    assert driver.get(WORKER).phase is Phase.STOPPED
    assert [each.phase for each in driver.list()] == [Phase.STOPPED]
    assert driver.create(spec(), start()).phase is Phase.STOPPED
    assert lab.settled(driver, driver.delete(WORKER)).phase is Phase.GONE


def test_two_instances_of_a_worker_are_removed_together(lab: Lab, driver: AwsDriver) -> None:
    """Which happens when AWS showed the first one too late."""
    first = lab.running(driver)
    hidden = lab.aws.instances.pop(first.handle)
    lab.jump(200)
    again = lab.driver()
    with pytest.raises(Unavailable):
        again.create(spec(), OTHER_TOKEN)
    lab.jump(121)
    second = again.create(spec(), OTHER_TOKEN)
    lab.aws.instances[hidden.id] = hidden
    assert {each.handle for each in again.list()} == {second.handle}
    again.delete(WORKER)
    assert live(lab) == []


def test_an_earlier_instance_is_not_taken_for_one_that_is_not_shown_yet(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    lab.settled(driver, driver.delete(WORKER))
    lab.jump(60)
    lab.aws.listing_lag_ms = 30_000
    second = driver.create(spec(), start())
    seen = lab.driver().get(WORKER, second.operation)
    assert (seen.phase, seen.handle) == (Phase.CREATING, second.handle)
    lab.jump(31)
    assert lab.driver().get(WORKER, second.operation).running


def test_an_instance_that_is_shown_and_not_known_is_not_gone(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    code = "InvalidInstanceID.NotFound"
    lab.aws.faults.add(Rule(path="TerminateInstances", status=400, code=code))
    with pytest.raises(Unavailable, match="but does not know it yet"):
        driver.delete(WORKER)
    assert lab.settled(driver, driver.delete(WORKER)).phase is Phase.GONE


def test_an_instance_without_tags_is_found_by_its_client_token(lab: Lab, driver: AwsDriver) -> None:
    made = lab.running(driver)
    lab.aws.instances[made.handle].tags = {"herder-installation": "lab", "herder-worker": "another"}
    again = lab.driver()
    assert not again.list().machines, "nobody can say whose it is"
    seen = again.get(WORKER)
    assert (seen.handle, seen.tags) == (made.handle, None)
    assert [each.worker for each in again.list()] == [WORKER]
    again.delete(WORKER)
    assert live(lab) == []


def test_a_client_token_is_as_long_as_aws_allows() -> None:
    token = f"{token_of('an installation', 'w' * 250)}{10**5}"
    assert len(token) <= 64
    assert token.startswith(token_of("an installation"))
