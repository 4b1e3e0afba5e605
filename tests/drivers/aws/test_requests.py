"""What is sent to AWS: signed as botocore signs it, known to botocore's model, with what a worker needs."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from herder.drivers.aws import AwsDriver
from herder.drivers.aws import instances as module
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
