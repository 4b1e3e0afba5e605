"""Credentials are found where AWS's own tools look, and what is wrong with them is said without them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from herder.drivers.aws.credentials import AwsCredentials
from herder.drivers.aws.opening import opened
from herder.model.fleet.driver import DriverContext, Unauthorised, Unavailable
from herder.testing.fakes import InProcessTransport
from tests.drivers.aws.lab import SETTINGS, GivenKeys, Lab
from tests.drivers.gcp.lab import Clock, refuse_all

ROLE = "/latest/meta-data/iam/security-credentials/"


class Metadata:
    """IMDSv2: nothing without a token."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.given, self.role = clock, 0, "workers"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "PUT":
            return httpx.Response(200, text="a-token")
        if request.headers.get("X-aws-ec2-metadata-token") != "a-token":
            return httpx.Response(401)
        if request.url.path == ROLE:
            return httpx.Response(200 if self.role else 404, text=self.role)
        self.given += 1
        body = {
            "AccessKeyId": f"ASIA{self.given}", "SecretAccessKey": "s", "Token": "t",
            "Expiration": "2026-11-18T12:00:00Z",
        }  # fmt: skip
        return httpx.Response(200, json=body)


def found(
    environ: dict[str, str], profile: str = "", transport: httpx.BaseTransport | None = None
) -> AwsCredentials:
    return AwsCredentials(profile, environ, Clock(), transport or httpx.MockTransport(refuse_all))


def test_the_environment_comes_first(tmp_path: Path) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    keys = found({**environ, "HOME": str(tmp_path)}).keys()
    assert (keys.access_key, keys.secret, keys.token) == ("AKIA1", "s", "t")


def test_a_profile_of_the_shared_files(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = AKIA2\naws_secret_access_key = s\n"
        "[batch]\naws_access_key_id = AKIA3\naws_secret_access_key = s%x\n"
    )
    (tmp_path / ".aws/config").write_text("[profile away]\nrole_arn = arn:aws:iam::1:role/x\n")
    home = {"HOME": str(tmp_path)}
    assert found(home).keys().access_key == "AKIA2"
    assert found(home, "batch").keys().secret == "s%x"
    assert found({**home, "AWS_PROFILE": "batch"}).keys().access_key == "AKIA3"
    with pytest.raises(
        Unauthorised, match="Profile away of AWS uses role_arn, which Herder does not support"
    ):
        found(home, "away").keys()
    with pytest.raises(Unauthorised, match="Profile other of AWS has no keys"):
        found(home, "other").keys()


def test_a_token_is_that_of_its_key(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    key = "aws_access_key_id = AKIA{}\naws_secret_access_key = s\n"
    (tmp_path / ".aws/credentials").write_text(f"[default]\n{key.format(1)}[cloud]\nregion = eu-west-1\n")
    (tmp_path / ".aws/config").write_text(
        f"[default]\n{key.format(2)}aws_session_token = old\n[profile cloud]\n{key.format(3)}aws_session_token = t\n"
    )
    home = {"HOME": str(tmp_path)}
    assert (found(home).keys().access_key, found(home).keys().token) == ("AKIA1", "")
    assert (found(home, "cloud").keys().access_key, found(home, "cloud").keys().token) == ("AKIA3", "t")


def test_the_role_of_the_machine_is_renewed_before_its_end(tmp_path: Path) -> None:
    clock = Clock(1_795_000_000_000)  # 2026-11-18T11:06:40Z
    metadata = Metadata(clock)
    made = AwsCredentials("", {"HOME": str(tmp_path)}, clock, httpx.MockTransport(metadata))
    assert (made.keys().access_key, made.keys().token) == ("ASIA1", "t")
    clock.ms += 50 * 60_000
    assert made.keys().access_key == "ASIA2"


def test_keys_that_still_hold_are_used_while_the_metadata_service_is_away(tmp_path: Path) -> None:
    """Without a refusal, for which the driver would be frozen."""
    clock = Clock(1_795_000_000_000)  # 2026-11-18T11:06:40Z
    metadata, away = Metadata(clock), False

    def answer(request: httpx.Request) -> httpx.Response:
        return refuse_all(request) if away else metadata(request)

    made = AwsCredentials("", {"HOME": str(tmp_path)}, clock, httpx.MockTransport(answer))
    assert made.keys().access_key == "ASIA1"
    away = True
    clock.ms += 50 * 60_000
    assert made.keys().access_key == "ASIA1", "they hold for three minutes"
    clock.ms += 4 * 60_000
    with pytest.raises(Unavailable, match="metadata service of AWS is away"):
        made.keys()
    away = False
    assert made.keys().access_key == "ASIA2"


def test_keys_of_the_machine_are_asked_for_through_no_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read them, or give those of its own machine, in whose account instances would then cost."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    made = AwsCredentials("", {"HOME": str(tmp_path)}, Clock())
    try:
        assert not made._http._mounts
    finally:
        made.close()


def test_keys_that_no_request_can_carry_are_said_to_be_wrong() -> None:
    lab, access_key = Lab(), "AKIÄ"
    context = DriverContext(name="aws", installation="lab", clock=lab.clock)
    transport = InProcessTransport(lab.aws, lab.clock.now_ms)
    driver = opened(SETTINGS, context, GivenKeys(lab.clock, access_key), transport=transport)
    with pytest.raises(Unauthorised, match="characters that no request can carry") as caught:
        driver.health()
    assert access_key not in str(caught.value)
    driver.close()


def test_no_credentials_at_all(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    with pytest.raises(Unauthorised, match=r"There are no credentials of AWS. Set AWS_ACCESS_KEY_ID"):
        found(home).keys()
    metadata = Metadata(Clock())
    metadata.role = ""
    with pytest.raises(Unauthorised, match="This machine has no role"):
        found(home, transport=httpx.MockTransport(metadata)).keys()
    broken = httpx.MockTransport(lambda _request: httpx.Response(500))
    with pytest.raises(Unavailable, match=r"gives no credentials: it answers with status 500\. Allow"):
        found(home, transport=broken).keys()
    with pytest.raises(Unauthorised, match="AWS_SECRET_ACCESS_KEY is not"):
        found({**home, "AWS_ACCESS_KEY_ID": "AKIA1"}).keys()
