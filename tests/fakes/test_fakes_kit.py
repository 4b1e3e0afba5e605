"""What fakes of HTTP APIs share: an address or none, times, faults and schemas."""

import socket
import struct
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from herder.testing.fakes import Answer, Faults, InProcessTransport, Request, Rule, Timeline, serving
from herder.testing.fakes.schemas import misfits


class Echo:
    """Answers what it was asked, and its time."""

    def __init__(self) -> None:
        self.faults = Faults()

    def request(self, request: Request, now_ms: int) -> Answer:
        rule = self.faults.for_request(request.method, request.path)
        body = {"now_ms": now_ms, "path": request.path, "asked": request.parameters(), "host": request.host}
        answer = Answer(status=200, body=body, headers={"X-Echo": "yes"})
        if rule is not None:
            answer.delay_ms, answer.cut = rule.delay_ms, rule.lose_answer
        return answer


def test_the_same_answers_with_and_without_an_address() -> None:
    fake = Echo()
    with serving(fake, start_ms=5_000) as server, httpx.Client(base_url=server.url) as client:
        with_address = client.get("/a/b", params={"c": "d"})
    with httpx.Client(
        base_url="http://echo.example", transport=InProcessTransport(fake, lambda: 5_000)
    ) as client:
        without = client.get("/a/b", params={"c": "d"})
    assert with_address.headers["x-echo"] == without.headers["x-echo"] == "yes"
    assert with_address.json()["now_ms"] >= without.json()["now_ms"] == 5_000
    for name in ("path", "asked"):
        assert with_address.json()[name] == without.json()[name]
    assert without.json()["host"] == "echo.example"


def reset_after(url: str, sent: bytes) -> None:
    """Connect, send, and end as a process that is killed does: with a reset in place of an end."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as sock:
        sock.sendall(sent)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_client_that_is_killed_leaves_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(Echo()) as server:
        for sent in (b"", b"GET /a HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\ncontent-length: 9\r\n\r\nhalf"):
            reset_after(server.url, sent)
        assert httpx.get(f"{server.url}/still").status_code == 200
    assert capfd.readouterr().err == ""


def test_a_fault_of_the_fake_is_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(Echo):
        def request(self, request: Request, now_ms: int) -> Answer:
            raise KeyError("no such rule")

    with serving(Broken()) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server.url}/a")
    assert "no such rule" in capfd.readouterr().err


def test_answers_may_be_late_or_lost() -> None:
    fake = Echo()
    with httpx.Client(
        base_url="http://echo.example", transport=InProcessTransport(fake, lambda: 0), timeout=1.0
    ) as client:
        fake.faults.add(Rule(path="^/late", delay_ms=2_000))
        with pytest.raises(httpx.ReadTimeout):
            client.get("/late")
        fake.faults.add(Rule(method="POST", lose_answer=True))
        assert client.get("/late").status_code == 200
        with pytest.raises(httpx.ReadError):
            client.post("/late")
        assert client.post("/late").status_code == 200


def test_rules_for_operations_meet_no_request() -> None:
    faults = Faults()
    rule = faults.add(Rule(operation="insert", times=2, never_ends=True))
    assert faults.for_request("GET", "/insert") is None
    assert [faults.for_operation(kind) for kind in ("delete", "insert", "insert", "insert")] == [
        None, rule, rule, None,
    ]  # fmt: skip


def test_what_is_due_happens_at_its_time_and_in_order() -> None:
    timeline, seen = Timeline(100), list[tuple[str, int]]()
    timeline.at(300, lambda: seen.append(("late", timeline.now_ms)))
    timeline.at(200, lambda: seen.append(("early", timeline.now_ms)))
    timeline.at(200, lambda: timeline.at(250, lambda: seen.append(("made on the way", timeline.now_ms))))
    assert timeline.step(150) == 200
    assert timeline.step(300) is None
    assert seen == [("early", 200), ("made on the way", 250), ("late", 300)]


SCHEMAS: dict[str, Any] = {
    "Base": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    "Machine": {
        "allOf": [{"$ref": "Base"}],
        "properties": {
            "cores": {"type": "integer"},
            "model": {"type": "string", "enum": ["SPOT", "STANDARD"]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "disks": {"type": "array", "items": {"$ref": "Base"}},
        },
    },
}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"name": "a", "cores": 2, "model": "SPOT", "labels": {"any": "x"}, "disks": [{"name": "d"}]}, []),
        ({"name": "a", "modell": "SPOT"}, ["the value: property modell is unknown"]),
        ({"name": "a", "disks": [{"name": "d", "nmae": 1}]}, ["disks[0]: property nmae is unknown"]),
        ({"name": "a", "model": "spot"}, ["model: 'spot' is none of SPOT, STANDARD"]),
        ({"name": "a", "cores": "2"}, ["cores: '2' is no integer"]),
        ({"name": "a", "cores": True}, ["cores: True is no integer"]),
        ({"name": "a", "labels": {"any": 1}}, ["labels.any: 1 is no string"]),
        ({"cores": 2}, ["the value: property name is missing"]),
        ([], ["the value: [] is no object"]),
    ],
)
def test_what_a_schema_does_not_have_is_found(value: Any, said: list[str]) -> None:
    assert [str(each) for each in misfits(SCHEMAS["Machine"], value, SCHEMAS.__getitem__)] == said
