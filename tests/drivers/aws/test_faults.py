"""What goes wrong at AWS: which error it is, what a person reads, and that nothing is left over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from herder.drivers.aws import AwsDriver
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
from herder.testing.aws import Aws
from herder.testing.aws.cloud import IMAGE
from herder.testing.fakes import Rule
from tests.drivers.aws.lab import OPTIONS, ZONE, Lab, spec, start

WORKER = WorkerName("burst-1-0")
RUN = "RunInstances"

Break = Callable[[Aws], Any]


def refuse(code: str, status: int = 400, **more: Any) -> Break:
    return lambda aws: aws.faults.add(Rule(path=RUN, status=status, code=code, text="As it is.", **more))


#: What is broken, what `create` then raises, and what a person reads.
FAULTS: dict[str, tuple[Break, type[DriverError], str]] = {
    "wrong credentials": (
        lambda aws: aws.keys.clear(),
        Unauthorised,
        "AuthFailure: AWS was not able to validate the provided access credentials. Check the credentials",
    ),
    "expired credentials": (refuse("RequestExpired"), Unauthorised, "Correct the clock of this machine"),
    "a missing permission is named": (
        lambda aws: aws.missing.add("ec2:RunInstances"),
        Unauthorised,
        "lacks the permission ec2:RunInstances on arn:aws:ec2:eu-west-1.*Add it to the policy",
    ),
    "tags may not be set": (
        lambda aws: aws.missing.add("ec2:CreateTags"),
        Unauthorised,
        "lacks the permission ec2:CreateTags",
    ),
    "a quota of 0": (
        lambda aws: setattr(aws, "cpus_limit", 0),
        QuotaExceeded,
        "current vCPU limit of 0 .*Ask the provider for a higher quota",
    ),
    "a zone that is sold out": (
        lambda aws: aws.sold_out.add((ZONE, False)),
        OutOfCapacity,
        "do not have sufficient m7i.large capacity",
    ),
    "no address left": (refuse("InsufficientFreeAddressesInSubnet"), QuotaExceeded, "Use a larger subnet"),
    "terms not accepted": (refuse("OptInRequired"), Unauthorised, "Accept the terms of the image"),
    "the image is gone": (
        lambda aws: aws.images.clear(),
        InvalidRequest,
        "The image id .* does not exist. Correct the driver's settings",
    ),
    "a region without the type": (
        lambda aws: aws.types.clear(),
        InvalidRequest,
        "instance types do not exist: .m7i.large.",
    ),
    "throttled": (
        refuse("RequestLimitExceeded", 503, times=4),
        RateLimited,
        "limits the rate of calls: RequestLimitExceeded",
    ),
    "an error after the act": (
        refuse("InternalError", 500, acts=True),
        OutcomeUnknown,
        "which may have happened: InternalError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_its_error(lab: Lab, driver: AwsDriver, fault: str) -> None:
    broken, kind, words = FAULTS[fault]
    broken(lab.aws)
    with pytest.raises(DriverError, match=words) as raised:
        driver.create(spec(), start())
    assert type(raised.value) is kind
    assert "hush-hush" not in str(raised.value)
    assert bool(lab.aws.instances) is (kind is OutcomeUnknown)


def test_spot_has_its_own_quota_and_capacity(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.sold_out.add((ZONE, True))
    with pytest.raises(OutOfCapacity):
        driver.create(spec(spot=True), start())
    lab.aws.sold_out.clear()
    lab.aws.spot_cpus_limit = 1
    with pytest.raises(QuotaExceeded, match="Max spot instance count"):
        driver.create(spec(spot=True), start())
    assert lab.running(driver).running


def test_a_new_instance_that_is_not_shown_yet_is_being_created(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.listing_lag_ms = 20_000
    made = driver.create(spec(), start())
    other = lab.driver()
    assert other.get(WORKER, made.operation).phase is Phase.CREATING
    lab.jump(25)
    assert other.get(WORKER, made.operation).running


def test_an_instance_that_is_shown_and_cannot_be_ended_yet_is_not_gone(lab: Lab, driver: AwsDriver) -> None:
    """The parts of AWS hear of a new instance at different times."""
    machine = driver.create(spec(), start())
    lab.aws.faults.add(Rule(path="TerminateInstances", status=400, code="InvalidInstanceID.NotFound"))
    with pytest.raises(Unavailable, match=r"InvalidInstanceID\.NotFound"):
        driver.delete(WORKER)
    assert lab.settled(driver, driver.get(WORKER, machine.operation)).phase is Phase.RUNNING
    assert lab.aws.instances


def test_an_instance_that_never_shows_up_is_not_found(lab: Lab, driver: AwsDriver) -> None:
    made = driver.create(spec(), start())
    lab.aws.instances.clear()
    lab.jump(121)
    with pytest.raises(NotFound):
        driver.get(WORKER, made.operation)


def test_capacity_that_ends_while_it_starts_is_out_of_capacity(lab: Lab, driver: AwsDriver) -> None:
    code = "Server.InsufficientInstanceCapacity"
    lab.aws.faults.add(Rule(operation=RUN, code=code, text=f"{code}: Insufficient capacity"))
    made = driver.create(spec(), start())
    lab.jump(10)
    with pytest.raises(
        OutOfCapacity, match=r"could not start the instance: Server.InsufficientInstanceCapacity"
    ):
        driver.get(WORKER, made.operation)


def test_a_spot_interruption_is_told(lab: Lab, driver: AwsDriver) -> None:
    made = lab.running(driver, spot=True)
    lab.aws.interrupt(made.handle)
    lab.jump(121)
    seen = driver.get(WORKER)
    assert (seen.phase, seen.end) == (Phase.STOPPING, MachineEnd.PREEMPTED)
    lab.jump(10)
    assert driver.get(WORKER).phase is Phase.GONE
    assert not driver.list().machines


def test_an_interruption_is_announced_with_what_is_left(lab: Lab, driver: AwsDriver) -> None:
    made = lab.running(driver, spot=True)
    lab.running(driver, name="burst-1-1", spot=True)
    assert not driver.interruptions()
    lab.aws.interrupt(made.handle)
    lab.jump(20)
    assert driver.interruptions() == [Interruption(worker=WORKER, left_s=100.0)]
    assert lab.driver().interruptions() == [Interruption(worker=WORKER, left_s=100.0)], "it asks whose it is"
    assert not lab.driver(installation="theirs").interruptions()
    lab.aws.instances[made.handle].tags.clear()
    assert [each.worker for each in driver.interruptions()] == [WORKER]
    lab.jump(101)
    assert not driver.interruptions()


def test_a_worker_that_has_ended_is_created_anew(lab: Lab, driver: AwsDriver) -> None:
    """Also with the same request: AWS would answer the same client token with the instance that has ended."""
    first = lab.running(driver)
    lab.settled(driver, driver.delete(WORKER))
    second = lab.running(lab.driver())
    assert second.running
    assert second.handle != first.handle


def test_an_instance_that_another_server_made_since_is_found(lab: Lab, driver: AwsDriver) -> None:
    lab.running(driver)
    other = lab.driver()
    lab.settled(other, other.delete(WORKER))
    newer = lab.running(other)
    assert driver.get(WORKER).handle == newer.handle


def test_an_instance_that_was_deleted_by_hand_is_gone(lab: Lab, driver: AwsDriver) -> None:
    made = lab.running(driver)
    del lab.aws.instances[made.handle]
    with pytest.raises(NotFound):
        driver.get(WORKER)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "does not name a type of instance"),
        ((*OPTIONS, ("instance_typ", "x")), "has no option 'instance_typ'.*Possible are instance_type"),
        ((("instance_type", "large"),), "instance_type 'large' is not possible"),
    ],
)
def test_bad_options_are_refused_before_any_call(
    lab: Lab, driver: AwsDriver, options: tuple[tuple[str, str], ...], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        driver.create(spec(driver_options=options), start())
    assert not lab.aws.asked


def test_checks_name_the_permission_that_is_missing(lab: Lab, driver: AwsDriver) -> None:
    assert all(check.passed for check in driver.checks())
    lab.aws.missing.add("ec2:CreateTags")
    failed = [check for check in driver.checks() if not check.passed]
    assert [check.name for check in failed] == ["a dry run (ec2:RunInstances, ec2:CreateTags)"]
    assert "lacks the permission ec2:CreateTags" in failed[0].detail
    assert not lab.aws.instances


def test_a_check_finds_a_second_disk_that_would_cost(lab: Lab, driver: AwsDriver) -> None:
    """Ubuntu's images have another root device than Debian's."""
    lab.aws.root_device = "/dev/sda1"
    (failed,) = [check for check in driver.checks() if not check.passed]
    assert failed.name == f"disk of image {IMAGE}"
    assert "disk_device is /dev/xvda" in failed.detail
    assert failed.remedy == "Set disk_device: /dev/sda1."


def test_every_call_that_is_made_is_in_the_policy(lab: Lab, driver: AwsDriver) -> None:
    from herder.drivers.aws.rights import NEEDED

    lab.running(driver)
    next(iter(lab.aws.volumes.values())).stays = True
    (
        driver.console(WORKER),
        driver.reboot(WORKER),
        driver.checks(),
        driver.list(),
        driver.offers(),
        driver.prices(),
        driver.interruptions(),
        lab.settled(driver, driver.delete(WORKER)),
    )
    driver.delete(WORKER)  # the disk that has stayed
    driver.quotas()
    called = {each if ":" in each else f"ec2:{each}" for each in lab.aws.asked}
    assert called | {"ec2:CreateTags"} == set(NEEDED)
