"""Calls from a thread: bounds, redirects, renewed tokens, and which of them may have had an effect."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from herder.model.fleet.driver import NoClock
from herder.ports.cluster import ClusterError, ClusterUnavailable
from herder.remote.kubernetes.calls import PODS, Call
from herder.remote.kubernetes.credentials import Access
from herder.remote.kubernetes.errors import ApiError, CredentialsRefused
from herder.remote.kubernetes.sync_connection import SyncConnection, Unanswered

LIST = Call(verb="list", resource=PODS, namespace="herder")


class Renewed:
    """A token that is another one after a refusal."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    async def token(self) -> str | None:
        return self.tokens[0]

    def refused(self) -> bool:
        if len(self.tokens) == 1:
            return False
        self.tokens.pop(0)
        return True


class Made:
    def __init__(self) -> None:
        self.open: list[SyncConnection] = []

    def __call__(self, answer: Callable[[httpx.Request], httpx.Response], *tokens: str) -> SyncConnection:
        access = Access(url="https://api:6443", tokens=Renewed(*(tokens or ("t",))))
        made = SyncConnection("prod", access, NoClock(), transport=httpx.MockTransport(answer))
        self.open.append(made)
        return made


@pytest.fixture
def connect() -> Iterator[Made]:
    made = Made()
    yield made
    for each in made.open:
        each.close()


def test_a_token_that_was_renewed_is_tried_once_more(connect: Made) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["authorization"])
        headers = {"Date": "Fri, 27 Nov 2026 06:00:00 GMT"}
        return httpx.Response(200 if asked[-1] == "Bearer new" else 401, json={}, headers=headers)

    connection = connect(answer, "old", "new")
    connection.call(LIST)
    assert asked == ["Bearer old", "Bearer new"]
    assert connection.now_ms == 1_795_759_200_000
    with pytest.raises(CredentialsRefused):
        connect(answer, "old").call(LIST)
    assert len(asked) == 3, "the same token again would be refused again"


def test_an_answer_without_end_is_not_read(connect: Made) -> None:
    with pytest.raises(ClusterUnavailable, match="more than 1,000 bytes"):
        connect(lambda _: httpx.Response(200, content=b"x" * 5000)).call(LIST, bytes_max=1000)


def test_a_redirect_is_not_followed(connect: Made) -> None:
    moved = httpx.Response(302, headers={"Location": "https://other/"}, json={})
    with pytest.raises(ApiError, match="redirect"):
        connect(lambda _: moved).call(LIST)


@pytest.mark.parametrize(
    ("error", "may_have_acted"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (httpx.WriteError("cut"), True),
    ],
)
def test_a_call_that_may_have_acted_is_told_apart(
    connect: Made, error: httpx.HTTPError, may_have_acted: bool
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(ClusterUnavailable) as caught:
        connect(answer).call(LIST)
    assert isinstance(caught.value, Unanswered) is may_have_acted


def test_a_closed_connection_says_so(connect: Made) -> None:
    connection = connect(lambda _: httpx.Response(200, json={}))
    connection.close()
    with pytest.raises(ClusterError, match="was closed"):
        connection.call(LIST)
