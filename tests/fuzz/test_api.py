"""Bodies, queries and headers of every route, with each role, over a socket to a real server: no answer is a 500, none fails to
come, and afterwards the server's books agree.
"""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.api.application import PREFIX, front_of
from herder.wire.worker.exchange import ActivateRequest, ExchangeRequest
from tests.api.conftest import POOLS, Server
from tests.fuzz.cases import HANG_S, cases, numbers, texts, values

ROLES = ("", "viewer", "user", "operator", "administrator", "worker", "activation", "nonsense")
OPERATIONS = [
    (each.method.upper(), each.path, each.body, each.query)
    for each in front_of(None).operations  # type: ignore[arg-type]  # no call comes
] + [
    ("POST", "/worker/exchange", ExchangeRequest, ()),
    ("POST", "/worker/activate", ActivateRequest, ()),
    ("GET", "/health", None, ()),
    ("GET", "/ready", None, ()),
]
#: What is plausible for a field, beside junk.
GOOD: dict[str, tuple[Any, ...]] = {
    "command": (["true"], ["echo", "é"]),
    "runtime": ("noop", "process"),
    "cpu": ("100m", 1, 0.5),
    "memory": ("64Mi", 5),
    "disk": (0, "1Gi"),
    "gpu": (0, 0.25),
    "key": ("a", "b", None),
    "parents": (["a"], [0], [1], []),
    "pool": ("std", "auto", "big"),
    "role": ("user", "viewer"),
    "user": ("a-user", "a-viewer"),
    "name": ("std", "a-user", "x"),
    "pools": (POOLS, [POOLS[0]], []),
    "workers": (1,),
    "number": (1, 2, 10**6),
    "finished": ([], [{"job": 1, "attempt": 1, "state": "succeeded", "started_at_ms": 1, "ended_at_ms": 2}]),
    "logs": ([], [{"job": 1, "attempt": 1, "offset": 0, "text": "x"}]),
    "held": (None, [[1, 1]]),
    "wait": (False,),
    "nonce": ("n",),
    "tolerations": ([{"key": "a"}], []),
    "selector": ({"a": "b"}, {}),
    "sharing": ({}, {"projects": {}}),
}
IDS = (
    "1",
    "2",
    "3",
    "17",
    "std",
    "big",
    "a-user",
    "next",
    "0",
    "-1",
    "9" * 30,
    "²",
    "%00",
    "%ff",
    "..",
    "a%2Fb",
    "%ED%A0%80",
)


@st.composite
def struct(draw: st.DrawFn, kind: type[msgspec.Struct]) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(kind.__struct_fields__), unique=True, max_size=8))
    body = {name: draw(field(name)) for name in names}
    if draw(st.integers(0, 12)) == 0:
        body[draw(texts)] = draw(values)
    return body


def field(name: str) -> st.SearchStrategy[Any]:
    from herder.wire.api.work import JobSubmission

    if name == "jobs":
        return st.lists(struct(JobSubmission), max_size=3)
    good = GOOD.get(name)
    return values if good is None else st.one_of(st.sampled_from(good), st.sampled_from(good), values)


@st.composite
def bodies(draw: st.DrawFn, kind: Any) -> bytes:
    shape = draw(st.integers(0, 9))
    if shape == 0:
        return draw(
            st.sampled_from(
                [
                    b"",
                    b"{",
                    b"[" * 5000,
                    b'{"jobs":' * 3000,
                    b"\xff\xfe",
                    b"null",
                    b"NaN",
                    b'{"a":"\\ud800"}',
                    b"9" * 6000,
                ]
            )
        )
    if shape == 1 or not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return json.dumps(draw(values)).encode()
    # NaN, Infinity and lone surrogates are written as Python writes them, which is what clients send by mistake.
    return json.dumps(draw(struct(kind))).encode()


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, str, list[tuple[str, str]], bytes]:
    method, path, kind, query = draw(st.sampled_from(OPERATIONS))
    while "{" in path:
        start, _, rest = path.partition("{")
        path = start + draw(st.sampled_from(IDS)) + rest.partition("}")[2]
    asked = [
        f"{name}={quote(str(draw(st.one_of(texts, numbers.map(str), st.just('1')))), errors='surrogatepass')[:2000]}"
        for name in query
        if name not in ("follow", "timeout_s") and draw(st.booleans())
    ]
    if path.endswith("/wait"):
        asked.append("timeout_s=0")
    headers = draw(
        st.lists(
            st.sampled_from(
                [
                    ("Idempotency-Key", "k1"),
                    ("Idempotency-Key", "\x7f" * 3),
                    ("Idempotency-Key", "x" * 500),
                    ("Last-Event-ID", "²"),
                    ("Last-Event-ID", "9" * 40),
                    ("Accept", "\xff"),
                    ("Cookie", "herder_session=a.b.c"),
                    ("Cookie", "herder_session=é.1.2; herder_form=x"),
                    ("Content-Type", "text/\x80"),
                ]
            ),
            max_size=2,
        )
    )
    body = b"" if method == "GET" and draw(st.booleans()) else draw(bodies(kind))
    return method, PREFIX + path + ("?" + "&".join(asked) if asked else ""), headers, body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    worker = server.worker()
    found = {role: server.token_of(role) for role in ROLES[1:4]}
    return {
        "": "",
        **found,
        "administrator": server.running.token,
        "worker": worker.token,
        "activation": worker.activation_token,
        "nonsense": "x" * 3000,
    }


def status_of(port: int, call: tuple[str, str, list[tuple[str, str]], bytes], token: str) -> int:
    """The status of the answer; a stream is left after its head."""
    method, target, headers, body = call
    head = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", "Connection: close"]
    head += [f"Authorization: Bearer {token}"] if token else []
    head += [f"{name}: {value}" for name, value in headers]
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_S) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1") + body)
        answer = b""
        while b"\r\n" not in answer:
            piece = connection.recv(4096)
            assert piece, "closed without an answer"
            answer += piece
    return int(answer.split()[1])


@cases(500)
@given(call=calls(), role=st.sampled_from(ROLES))
def test_every_route(
    server: Server, tokens: dict[str, str], call: tuple[str, str, list[tuple[str, str]], bytes], role: str
) -> None:
    port = int(server.running.url.rpartition(":")[2])
    status = status_of(port, call, tokens[role])
    assert status < 500, (status, role, call)


def test_and_the_books_agree(server: Server, tmp_path: Path) -> None:
    """Runs last: what was accepted of all that is in order."""
    assert server.http.get("/health").status_code == 200
    assert server.http.get("/ready").status_code == 200
    assert server.http.get("/invariants").json()["violations"] == []
