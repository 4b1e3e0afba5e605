"""Examples of the errors that drivers of clouds share. For `test_errors.py`."""

import httpx

from herder.drivers.gcp.errors import NoSuchZone, explain
from herder.model.fleet.driver import NoClock
from herder.remote.clouds.client import CloudClient, _Unsent
from herder.remote.clouds.errors import Called, PagesExpired, Reply, Said, refused
from tests.words.error_cases import Case


def _refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def _not_sent() -> None:
    transport = httpx.MockTransport(_refuse)
    client = CloudClient(
        "Google Cloud",
        "https://compute.example",
        None,
        lambda _reply: Said(),
        NoClock(),
        transport=transport,
        pause=lambda _s: None,
    )
    try:
        client.call("GET", "/zones", "reading the zones")
    finally:
        client.close()


def _page_expired() -> None:
    called = Called(provider="Google Cloud", what="listing the VMs", writes=False)
    raise refused(called, Reply(status=400), Said(words="the page token has expired", kind=PagesExpired), 0)


def _no_such_zone() -> None:
    called = Called(provider="Google Cloud", what="reading VM a in europe-north9-a", writes=False)
    text = "The resource 'projects/p/zones/europe-north9-a' was not found"
    reply = Reply(status=404, data={"error": {"code": 404, "message": text}})
    raise refused(called, reply, explain(reply), 0)


CASES = (
    Case(NoSuchZone, _no_such_zone, "Google Cloud refused reading VM a in europe-north9-a: The resource 'projects/p/zones/europe-north9-a' was not found. Correct the setting zones."),
    Case(_Unsent, _not_sent, "Google Cloud at https://compute.example cannot be reached: connection refused. Check the address, the certificate and the network."),
    Case(PagesExpired, _page_expired, "Google Cloud refused listing the VMs: the page token has expired."),
)  # fmt: skip
