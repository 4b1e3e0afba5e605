"""Calls to a provider: what is tried again and what never, how long is waited, and what a person reads."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.remote.clouds.client import TRIES, CloudClient
from herder.remote.clouds.errors import Reply, Said
from herder.remote.clouds.pace import Pace

NOW_MS = 1_795_000_000_000


class Clock:
    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return NOW_MS + self.ms

    def monotonic_ms(self) -> int:
        return self.ms


class Tokens:
    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.tokens[0]}"

    def refused(self) -> bool:
        self.tokens.pop(0)
        return bool(self.tokens)


class Site:
    """Answers in turn; the last one for ever."""

    def __init__(self) -> None:
        self.clock, self.answers, self.asked, self.waits = (
            Clock(),
            list[Any](),
            list[httpx.Request](),
            list[float](),
        )
        self.clients: list[CloudClient] = []

    def client(self, **more: Any) -> CloudClient:
        more.setdefault("credentials", None)
        more.setdefault("explain", lambda reply: Said(words=str((reply.data or {}).get("error", ""))))
        client = CloudClient(
            "Acme", "https://acme.example/v1", clock=self.clock, pause=self.pause,
            transport=httpx.MockTransport(self.answer), **more,
        )  # fmt: skip
        self.clients.append(client)
        return client

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.ms += int(seconds * 1000)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        status, body, *headers = found
        if isinstance(body, bytes):
            return httpx.Response(status, content=body)
        return httpx.Response(status, json=body, headers=headers[0] if headers else {})


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    for client in found.clients:
        client.close()


def test_an_answer_is_data(site: Site) -> None:
    site.answers = [(200, {"a": 1}, {"X-Job": "7"})]
    reply = site.client().call("POST", "/things", "making a thing", query={"b": 2}, body={"c": 3})
    assert (reply.data, reply.headers["x-job"]) == ({"a": 1}, "7")
    (asked,) = site.asked
    assert (str(asked.url), asked.content) == ("https://acme.example/v1/things?b=2", b'{"c":3}')


@pytest.mark.parametrize(
    ("method", "repeatable", "answer", "tries", "kind"),
    [
        ("GET", False, (503, {}), TRIES, Unavailable),
        ("GET", False, httpx.ReadError("reset"), TRIES, Unavailable),
        ("POST", False, (503, {}), 1, OutcomeUnknown),
        ("POST", False, httpx.ReadTimeout("too late"), 1, OutcomeUnknown),
        ("POST", True, (500, {}), TRIES, OutcomeUnknown),
        ("POST", False, httpx.ConnectError("refused"), TRIES, Unavailable),
        ("POST", False, (429, {}, {"Retry-After": "1"}), TRIES, RateLimited),
        ("POST", False, (400, {}), 1, InvalidRequest),
        ("GET", False, (404, {}), 1, NotFound),
        ("POST", False, (409, {}), 1, AlreadyExists),
        ("GET", False, (401, {}), 1, Unauthorised),
        ("GET", False, (403, {}), 1, Unauthorised),
        ("GET", False, (302, {}, {"Location": "https://elsewhere.example"}), TRIES, Unavailable),
        ("GET", False, (200, b"<html>"), TRIES, Unavailable),
        ("POST", False, (200, b"<html>"), 1, OutcomeUnknown),
    ],
)
def test_what_is_tried_again(
    site: Site, method: str, repeatable: bool, answer: Any, tries: int, kind: type[DriverError]
) -> None:
    site.answers = [answer]
    with pytest.raises(kind) as caught:
        site.client().call(method, "/things", "making a thing", repeatable=repeatable)
    assert isinstance(caught.value, OutcomeUnknown) == (kind is OutcomeUnknown)
    assert len(site.asked) == tries
    assert len({request.url.host for request in site.asked}) == 1


def test_a_later_try_succeeds(site: Site) -> None:
    site.answers = [(502, {}), (429, {}, {"Retry-After": "2"}), (200, {"a": 1})]
    assert site.client().call("GET", "/things", "reading").data == {"a": 1}
    assert site.waits == [0.25, 2.0]


def test_a_wait_beyond_the_deadline_is_left_to_the_server(site: Site) -> None:
    site.answers = [(429, {"error": "slow down"}, {"Retry-After": "120"})]
    with pytest.raises(RateLimited, match="Acme limits the rate of calls: slow down") as caught:
        site.client().call("GET", "/things", "reading")
    assert (caught.value.retry_after_s, len(site.asked), site.waits) == (120.0, 1, [])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("Wed, 18 Nov 2026 10:13:30 GMT", None), ("soon", 5.0), ("", 5.0)],
)
def test_retry_after_is_seconds_or_a_time(site: Site, text: str, seconds: float | None) -> None:
    site.answers = [(429, {}, {"Retry-After": text})]
    with pytest.raises(RateLimited) as caught:
        site.client(deadline_s=0.2).call("GET", "/things", "reading")
    if seconds is None:  # NOW_MS is 2026-11-18 11:06:40 UTC: that time has passed
        assert caught.value.retry_after_s == 0.0
    else:
        assert caught.value.retry_after_s == seconds


def test_the_deadline_is_for_all_tries(site: Site) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        site.asked.append(request)
        site.clock.ms += 9_000
        return httpx.Response(503, json={})

    client = site.client()
    client._client = httpx.Client(base_url=client.url, transport=httpx.MockTransport(slow))
    with pytest.raises(Unavailable):
        client.call("GET", "/things", "reading")
    client.close()
    assert len(site.asked) == 2


def test_credentials_are_renewed_once(site: Site) -> None:
    site.answers = [(401, {}), (200, {})]
    site.client(credentials=Tokens("old", "new")).call("POST", "/things", "making a thing")
    assert [each.headers["authorization"] for each in site.asked] == ["Bearer old", "Bearer new"]
    site.answers = [(401, {})]
    with pytest.raises(Unauthorised):
        site.client(credentials=Tokens("old", "new", "newer")).call("GET", "/things", "reading")
    assert len(site.asked) == 4


def test_a_provider_that_quotes_a_secret_does_not_make_it_public(site: Site) -> None:
    site.answers = [(400, {"error": "bad value token-9 in metadata"})]
    with pytest.raises(InvalidRequest) as caught:
        site.client().call("POST", "/things", "making a thing", secrets=("token-9",))
    assert str(caught.value) == (
        "Acme refused making a thing: bad value (secret) in metadata. Correct the driver's settings or the pool's driver_options."
    )


def test_no_more_of_an_answer_is_read_than_its_bound(site: Site) -> None:
    site.answers = [(200, b"[" + b"1," * 2**20 + b"1]")]
    with pytest.raises(Unavailable, match="more than 1 MiB"):
        site.client(answer_bytes_max=2**20).call("GET", "/things", "reading")


def test_what_the_provider_says_decides_the_class(site: Site) -> None:
    def explain(reply: Reply) -> Said:
        return Said(words=reply.data["error"], kind={"quota": QuotaExceeded, "out": OutOfCapacity}[reply.data["error"]], zone="z-1")  # fmt: skip

    client = site.client(explain=explain)
    site.answers = [(403, {"error": "quota"})]
    with pytest.raises(QuotaExceeded, match="higher quota"):
        client.call("POST", "/things", "making a thing")
    site.answers = [(503, {"error": "out"})]
    with pytest.raises(OutOfCapacity) as caught:
        client.call("POST", "/things", "making a thing")
    assert caught.value.zone == "z-1"


def test_calls_keep_to_their_pace(site: Site) -> None:
    site.answers = [(200, {})]
    client = site.client(pace=Pace(2.0, 3.0, site.clock))
    for _ in range(7):
        client.call("GET", "/things", "reading")
    assert site.waits == [0.5] * 4


def test_a_turn_that_comes_too_late_is_not_waited_for(site: Site) -> None:
    site.answers = [(200, {})]
    client = site.client(pace=Pace(0.01, 1.0, site.clock))
    client.call("GET", "/things", "reading")
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            client.call("POST", "/things", "making a thing")
        assert caught.value.retry_after_s == pytest.approx(100.0)
    assert len(site.asked) == 1


def test_a_closed_client_says_so(site: Site) -> None:
    site.answers = [(200, {})]
    client = site.client()
    client.close()
    with pytest.raises(Unavailable, match="was closed"):
        client.call("GET", "/things", "reading")


def test_errors_are_never_of_another_family(site: Site) -> None:
    failures: list[Callable[[], Exception]] = [
        lambda: httpx.RemoteProtocolError("no HTTP"),
        lambda: httpx.PoolTimeout("full"),
        lambda: OSError(104, "reset"),
    ]
    for failure in failures:
        site.answers = [failure()]
        with pytest.raises(DriverError):
            site.client().call("POST", "/things", "making a thing")
