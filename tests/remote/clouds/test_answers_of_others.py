"""Answers that a proxy gives, or that are not whole: nothing is called gone because of them, and no secret is in an error."""

import base64
from collections.abc import Iterator

import httpx
import pytest

from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Unauthorised,
    Unavailable,
)
from herder.remote.clouds.errors import Reply, Said
from tests.remote.clouds.test_client import Site

PAGE = b"<html><body>The requested page cannot be found.</body></html>"


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    for client in found.clients:
        client.close()


@pytest.mark.parametrize("body", [PAGE, b""])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_404_that_is_not_the_providers_says_nothing_of_a_machine(
    site: Site, method: str, body: bytes
) -> None:
    site.answers = [(404, body)]
    with pytest.raises(Unavailable) as caught:
        site.client().call(method, "/things/a", "reading thing a")
    assert not isinstance(caught.value, OutcomeUnknown)
    site.answers = [(404, {"error": "no such thing"})]
    with pytest.raises(NotFound):
        site.client().call(method, "/things/a", "reading thing a")


def test_a_change_whose_answer_is_too_long_may_have_happened(site: Site) -> None:
    site.answers = [(200, b"[" + b"1," * 2**20 + b"1]")]
    with pytest.raises(OutcomeUnknown, match="more than 1 MiB"):
        site.client(answer_bytes_max=2**20).call("POST", "/things", "making a thing")


class Broken:
    def __init__(self, token: str) -> None:
        self.token = token

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.token}"

    def refused(self) -> bool:
        return False


@pytest.mark.parametrize("token", ["secret-token\n", "secret-token\x00"])
def test_credentials_that_no_header_can_carry_are_refused_and_not_quoted(token: str, site: Site) -> None:
    client = site.client(credentials=Broken(token))
    client._client = httpx.Client(base_url="http://127.0.0.1:1", transport=_Encoding())
    with pytest.raises(DriverError) as caught:
        client.call("POST", "/things", "making a thing")
    assert isinstance(caught.value, Unauthorised)
    assert "secret" not in str(caught.value)


class _Encoding(httpx.BaseTransport):
    """Checks a request as the one for the network does, and sends nothing."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        import h11

        try:
            h11.Request(method="POST", target="/", headers=[(b"host", b"x"), *request.headers.raw])
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        raise AssertionError("it would be sent")


SCRIPT = "#!/bin/sh\nexport TOKEN=activation-7f3a\n" + "x" * 900
LONG = base64.b64encode(SCRIPT.encode()).decode()
QUOTED = {
    "one that has several lines": f"Invalid value '{SCRIPT}' of metadata",
    "one that is longer than what is shown": f"Invalid value of customData: {LONG}",
    "one that the provider has cut": f"Invalid value '{LONG[:70]}…' of customData",
    "one that is cut where the text ends": "y" * 588 + " activation-7f3a",
}


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("what", QUOTED)
def test_a_secret_is_not_shown_in_part_either(site: Site, what: str, readable: bool) -> None:
    def explain(reply: Reply) -> Said:
        return Said(words=reply.data["error"] if reply.data else "")

    site.answers = [(400, {"error": QUOTED[what]} if readable else f"<p>{QUOTED[what]}".encode())]
    with pytest.raises(InvalidRequest) as caught:
        site.client(explain=explain).call(
            "POST", "/things", "making a thing", secrets=("activation-7f3a", SCRIPT, LONG)
        )
    text = str(caught.value)
    for part in ("activ", "export", LONG[:30], LONG[40:60]):
        assert part not in text
