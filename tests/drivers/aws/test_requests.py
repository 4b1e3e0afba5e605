"""What is sent to AWS: signed as botocore signs it, known to botocore's model, with what a worker needs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from herder.drivers.aws import AwsDriver, AwsSettings
from herder.drivers.aws import instances as module
from herder.drivers.aws.services import Services
from herder.drivers.aws.signing import Keys, sign
from herder.drivers.aws.xml import decoded
from herder.model.fleet.driver import InvalidRequest
from herder.testing.aws import ACCESS_KEY, SECRET
from tests.drivers.aws.lab import Lab, spec, start

NOW_MS = 1_795_000_000_000


@pytest.mark.parametrize("token", ["", "a-session+token/="])
@pytest.mark.parametrize("form", [None, {"Action": "RunInstances", "UserData": "a+b/c=="}])
def test_the_signature_is_that_of_botocore(
    monkeypatch: pytest.MonkeyPatch, token: str, form: dict[str, str] | None
) -> None:
    auth: Any = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = "https://ec2.eu-west-1.amazonaws.com/?Action=DescribeInstances&Filter.1.Name=tag%3Aa%20b&Filter.1.Value.1=%C3%A9~%2B"
    request = httpx.Request("GET", url) if form is None else httpx.Request("POST", url, data=form)
    sign(request, Keys(access_key=ACCESS_KEY, secret=SECRET, token=token), "eu-west-1", "ec2", NOW_MS)
    theirs = AWSRequest(method=request.method, url=url, data=request.content)
    if form is not None:
        theirs.headers["Content-Type"] = request.headers["Content-Type"]
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda: now.replace(tzinfo=None))
    auth.SigV4Auth(Credentials(ACCESS_KEY, SECRET, token or None), "ec2", "eu-west-1").add_auth(theirs)
    assert request.headers["Authorization"] == theirs.headers["Authorization"]


def test_a_request_to_a_service_that_speaks_json_is_signed_with_its_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    auth: Any = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url, headers = "https://api.pricing.us-east-1.amazonaws.com/", {
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSPriceListService.GetProducts",
    }  # fmt: skip
    request = httpx.Request("POST", url, content=b'{"ServiceCode": "AmazonEC2"}', headers=headers)
    sign(request, Keys(access_key=ACCESS_KEY, secret=SECRET), "us-east-1", "pricing", NOW_MS)
    theirs = AWSRequest(method="POST", url=url, data=request.content, headers=headers)
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda: now.replace(tzinfo=None))
    auth.SigV4Auth(Credentials(ACCESS_KEY, SECRET), "pricing", "us-east-1").add_auth(theirs)
    assert request.headers["Authorization"] == theirs.headers["Authorization"]


@pytest.mark.parametrize(
    ("changed", "places"),
    [
        (
            {"region": "eu-west-1"},
            ("ec2.eu-west-1.amazonaws.com", "api.pricing.us-east-1.amazonaws.com us-east-1", "servicequotas.eu-west-1.amazonaws.com"),
        ),
        (
            {"region": "cn-north-1"},
            ("ec2.cn-north-1.amazonaws.com.cn", "api.pricing.cn-northwest-1.amazonaws.com.cn cn-northwest-1", "servicequotas.cn-north-1.amazonaws.com.cn"),
        ),
        (
            {"region": "eu-west-1", "ec2_url": "https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com"},
            ("vpce-1.ec2.eu-west-1.vpce.amazonaws.com", "api.pricing.us-east-1.amazonaws.com us-east-1", "servicequotas.eu-west-1.amazonaws.com"),
        ),
        (
            {"region": "eu-west-1", "ec2_url": "https://aws.test", "quotas_url": "https://quotas.test"},
            ("aws.test", "aws.test us-east-1", "quotas.test"),
        ),
    ],
)  # fmt: skip
def test_each_service_is_called_where_it_is(changed: dict[str, str], places: tuple[str, str, str]) -> None:
    found = AwsSettings(**changed)
    prices = f"{found.pricing.url} {found.pricing.region}"
    assert (found.ec2.url, prices, found.quotas.url) == tuple(f"https://{each}" for each in places)


def test_a_misspelled_filter_of_the_price_list_is_refused(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("botocore")
    listed = Services._listed

    def wrong(self: Services, client: Any, target: str, asked: Any, *more: str) -> Any:
        return listed(self, client, target, {**asked, "Filter": []}, *more)

    monkeypatch.setattr(Services, "_listed", wrong)
    with pytest.raises(InvalidRequest, match=r'Unknown parameter in input: "Filter"'):
        driver._services.products("eu-west-1")


def test_a_misspelled_parameter_is_refused(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("botocore")
    right = module.flat

    def wrong(asked: Any) -> dict[str, str]:
        return {name.replace("MarketType", "MarketTyp"): value for name, value in right(asked).items()}

    monkeypatch.setattr("herder.drivers.aws.api.flat", wrong)
    with pytest.raises(InvalidRequest, match=r"InstanceMarketOptions.MarketTyp: unknown parameter"):
        driver.create(spec(spot=True), start())
    assert not lab.aws.instances


def test_a_spot_instance_is_asked_for_with_all_it_needs(lab: Lab) -> None:
    driver = lab.driver(
        subnets="eu-west-1b=subnet-0123456789abcdef0", security_groups="sg-0123456789abcdef0",
        instance_profile="workers",
    )  # fmt: skip
    driver.create(spec(spot=True, zone="eu-west-1b"), start())
    [made] = lab.aws.instances.values()
    form = made.form
    assert form["InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior"] == "terminate"
    assert form["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert form["BlockDeviceMapping.1.Ebs.DeleteOnTermination"] == "true"
    assert form["MetadataOptions.HttpTokens"] == "required"
    assert form["SubnetId"] == "subnet-0123456789abcdef0"
    assert form["SecurityGroupId.1"] == "sg-0123456789abcdef0"
    assert form["IamInstanceProfile.Name"] == "workers"
    assert (made.zone, made.tags["herder-worker"]) == ("eu-west-1b", "burst-1-0")
    assert base64.b64decode(form["UserData"]).startswith(b"#cloud-config\n")


def test_a_zone_of_another_region_is_refused(lab: Lab, driver: AwsDriver) -> None:
    with pytest.raises(InvalidRequest, match="zone us-east-1a, which is not in region eu-west-1"):
        driver.create(spec(zone="us-east-1a"), start())
    assert not lab.aws.asked


@pytest.mark.parametrize("content", [b"<a", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b""])
def test_what_is_no_answer_of_ec2_is_no_data(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(content)
