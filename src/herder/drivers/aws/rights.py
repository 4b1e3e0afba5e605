"""What the driver needs of an account, as data: a policy, and the check of what can be read. Called by a person who looks; changes nothing."""

import json
from collections.abc import Callable, Sequence

from herder.drivers.aws.api import Api
from herder.drivers.aws.services import Services
from herder.drivers.aws.settings import AwsSettings
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check

NEEDED = (
    "cloudtrail:LookupEvents",
    "ec2:CreateTags",
    "ec2:DeleteVolume",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeSpotInstanceRequests",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeVolumes",
    "ec2:GetConsoleOutput",
    "ec2:RebootInstances",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
    "pricing:GetProducts",
    "servicequotas:ListServiceQuotas",
)
#: Of the dry run, which makes nothing: a type that nearly every region has, for x86 images.
TYPE = "m7i.large"


def checks_of(api: Api, services: Services, settings: AwsSettings, now: str) -> Sequence[Check]:
    """`now`: as AWS writes times."""
    found = [
        _try("zones (ec2:DescribeAvailabilityZones)", api.zones),
        _try(
            "instances (ec2:DescribeInstances)",
            lambda: api.instances("herder-check-", "listing the instances"),
        ),
        _try("interruptions (ec2:DescribeSpotInstanceRequests)", api.interrupted),
        _try(
            "volumes (ec2:DescribeVolumes)",
            lambda: api.free_volumes({"herder-check": "1"}),
        ),
    ]
    found += [
        _try("types (ec2:DescribeInstanceTypes)", api.instance_types),
        _try("types of zones (ec2:DescribeInstanceTypeOfferings)", api.offerings),
        _try("spot prices (ec2:DescribeSpotPriceHistory)", lambda: api.spot_prices(now)),
    ]
    if settings.prices:
        found.append(_try("prices (pricing:GetProducts)", lambda: services.products(settings.region)))
    found.append(_try("quotas (servicequotas:ListServiceQuotas)", services.quotas))
    found.append(_try("the log of the account (cloudtrail:LookupEvents)", services.may_look_up))
    if settings.image:
        found += _image(api, settings)
        may_run = _try(
            "a dry run (ec2:RunInstances, ec2:CreateTags)", lambda: api.may_run(settings.image, TYPE)
        )
        found.append(may_run)
    return found


def _image(api: Api, settings: AwsSettings) -> Sequence[Check]:
    name = f"image {settings.image} (ec2:DescribeImages)"
    try:
        rows = api.image(settings.image)
    except DriverError as error:
        return (Check(name=name, passed=False, detail=str(error)),)
    root = str(rows[0].get("rootDeviceName") or "") if rows else ""
    known = Check(name=name, passed=True)
    disk = f"disk of image {settings.image}"
    if root in ("", settings.disk_device):
        return known, Check(name=disk, passed=True)
    detail = f"The root device of the image is {root}, but disk_device is {settings.disk_device}. Each instance gets a second disk, which costs and is not used."
    return known, Check(name=disk, passed=False, detail=detail, remedy=f"Set disk_device: {root}.")


def _try(name: str, call: Callable[[], object]) -> Check:
    try:
        call()
    except DriverError as error:
        return Check(name=name, passed=False, detail=str(error))
    return Check(name=name, passed=True)


def documented() -> str:
    """docs/how-to/aws.md"""
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(NEEDED), "Resource": "*"}],
    }
    return f"```json\n{json.dumps(policy, indent=2)}\n```\n"
