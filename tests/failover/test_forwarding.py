"""What a follower answers: through the leader, from the store when there is none, always with its age, and never from nothing."""

import asyncio
import json
import logging
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from herder.api.http.request_ids import RequestIds
from herder.ports.leadership import Alone, ServerNote
from herder.server.data.opening import core_settings
from herder.server.leadership import forwarding
from herder.server.leadership.forwarding import Forwarding
from herder.server.leadership.gate import Gate
from herder.server.leadership.stored_reads import Stored
from herder.server.options import ServerOptions
from herder.server.runtime import Running, serve
from herder.settings import pool_from_plain
from herder.settings.sections.server import DriverSettings
from herder.store.opening.database import open_engine
from tests.api.conftest import POOLS, Server

NOW_MS = 1_800_000_000_000
NOW = "2027-01-15T08:00:00.000Z"


class Peers:
    def __init__(self, url: str | None) -> None:
        self.url = url

    def leader(self) -> ServerNote | None:
        if self.url is None:
            return None
        return ServerNote(
            id="a", url=self.url, holder="a", version="1", started_at_ms=0, seen_ms=0, leads=True
        )


class Nothing:
    async def face(self) -> tuple[ASGIApp, int] | None:
        return None


class Something:
    async def face(self) -> tuple[ASGIApp, int] | None:
        async def face(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
            await send({"type": "http.response.body", "body": b"stored"})

        return face, NOW_MS - 1000


@pytest.fixture(scope="module")
def leader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture
async def follower(leader: Server) -> AsyncIterator[Forwarding]:
    made = Forwarding(Peers(leader.running.url), Nothing(), lambda: NOW_MS, None)
    yield made
    await made.close()


def through(follower: Forwarding, token: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(follower), base_url="http://follower/api/v1", headers=headers
    )


async def test_a_call_is_handed_on_with_its_token_key_and_body(leader: Server, follower: Forwarding) -> None:
    job = {"runtime": "noop", "pool": "std", "payload": {}}
    async with through(follower, leader.running.token) as http:
        key = {"Idempotency-Key": "once"}
        answers = [await http.post("/jobs", json={"runtime": "noop"}, headers=key) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 200], job
        assert answers[0].json()["first_job"] == answers[1].json()["first_job"]
        assert answers[0].headers["herder-as-of"].startswith("2027-01-15T08:00:00")
        assert leader.http.post("/jobs", json={"runtime": "noop"}, headers=key).json() == answers[0].json()
        refused = await http.post("/jobs", json={"runtim": "noop"}, params={"nothing": 1})
        assert refused.status_code == 422
        page = await http.get("/jobs", params={"limit": 1})
        assert page.json()["items"] == leader.http.get("/jobs", params={"limit": 1}).json()["items"]
        large = await http.post("/batches", content=json.dumps({"name": "x" * 3_000_000}))
        assert large.status_code in (413, 422)
    async with through(follower) as http:
        assert (await http.get("/status")).status_code == 401
        dashboard = await http.get("http://follower/")
        assert (dashboard.status_code, dashboard.headers["location"]) == (303, "/login")


async def test_a_request_has_one_id_at_both_servers(
    leader: Server, follower: Forwarding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "herder.requests")
    transport = httpx.ASGITransport(RequestIds(follower, "follower"))
    async with httpx.AsyncClient(transport=transport, base_url="http://follower/api/v1") as http:
        for sent in ({}, {"X-Request-Id": "ours"}):
            (one,) = (await http.get("/status", headers=sent)).headers.get_list("x-request-id")
            lines = [each for each in caplog.messages if each.startswith(f"Request {one}, GET")]
            assert len(lines) == 2, caplog.messages
            assert one == sent.get("X-Request-Id", one)


async def test_without_a_leader_reads_come_from_the_store_and_nothing_else(leader: Server) -> None:
    for url in (None, "http://127.0.0.1:9"):
        follower = Forwarding(Peers(url), Something(), lambda: NOW_MS, None)
        async with through(follower, "t") as http:
            read = await http.get("/status")
            assert (read.text, read.headers["x"]) == ("stored", "y")
            assert read.headers["herder-as-of"].startswith("2027-01-15T07:59:59")
            for method, path in (
                ("POST", "/jobs"),
                ("GET", "/jobs/1/wait"),
                ("GET", "/jobs/1/logs?follow=true"),
            ):
                said = await http.request(method, path)
                assert (said.status_code, said.json()["code"]) == (503, "no_leader")
                assert said.headers["retry-after"] == "1"
                assert "herder-as-of" in said.headers
        await follower.close()


async def test_a_call_is_handed_on_once(leader: Server, follower: Forwarding) -> None:
    async with through(follower, leader.running.token) as http:
        said = await http.get("/status", headers={"Herder-Forwarded": "1"})
    assert (said.status_code, said.json()["code"]) == (503, "no_leader")


async def test_what_a_follower_says_of_itself(leader: Server, follower: Forwarding) -> None:
    async with through(follower, leader.running.token) as http:
        said = (await http.get("/health")).json()
        assert said == {"status": "ok", "role": "follower", "leader": leader.running.url}
        await http.get("/status")
        text = (await http.get("http://follower/metrics")).text
    assert "herder_leader 0" in text
    assert re.search(r"herder_forwarded_calls_total 1$", text, re.MULTILINE)
    assert leader.http.get("/health").json()["role"] == "leader"


async def test_a_caller_that_leaves_ends_the_call_to_the_leader(leader: Server, follower: Forwarding) -> None:
    """A worker whose held-open call breaks gets no new work: the leader has to hear of it."""
    gone = asyncio.Event()
    messages: list[Message] = []

    async def receive() -> Message:
        if not messages:
            messages.append({})
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        messages.append(message)

    token = leader.running.token.encode()
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/api/v1/events/stream", "query_string": b"", "state": {},
        "headers": [(b"authorization", b"Bearer " + token)],
    }  # fmt: skip
    call = asyncio.ensure_future(follower(scope, receive, send))
    while len(messages) < 3:
        await asyncio.sleep(0.01)
    gone.set()
    await asyncio.wait_for(call, 5)
    assert messages[1]["status"] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_to_a_leader_that_hangs_ends_when_another_server_leads(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A leader that was stopped accepts calls and never answers. Its callers ask again, and the write has a key."""
    monkeypatch.setattr(forwarding, "LOOK_S", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as hung:
        peers = Peers(f"http://127.0.0.1:{hung.getsockname()[1]}")
        follower = Forwarding(peers, Nothing(), lambda: NOW_MS, None)
        async with through(follower, "t") as http:
            call = asyncio.ensure_future(http.request(method, "/jobs", headers={"Idempotency-Key": "k"}))
            done, _ = await asyncio.wait({call}, timeout=0.3)
            assert not done, "as long as no other server leads, it is waited for"
            peers.url = "http://127.0.0.1:9"
            said = await asyncio.wait_for(call, 5)
        assert (said.status_code, said.json()["code"], said.headers["retry-after"]) == (503, "no_leader", "1")
        await follower.close()


@pytest.mark.parametrize("held", [True, False])
async def test_no_answer_leaves_a_leader_whose_lease_may_have_ended(held: bool) -> None:
    async def face(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"unknown worker", "more_body": False})

    asked: list[str] = []
    gate = Gate(face, lambda: held)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(gate), base_url="http://leader/api/v1"
    ) as http:
        await http.get("/status")
        assert (asked == []) is not held
        said = await http.post("/worker/exchange")
        assert asked[-1] == "/api/v1/worker/exchange", "it is noted that the worker lives"
        assert (await http.get("/health")).status_code == 401
    if held:
        assert (said.status_code, said.text) == (401, "unknown worker")
    else:
        assert (said.status_code, said.json()["code"], said.headers["retry-after"]) == (
            503,
            "not_leading",
            "1",
        )


async def test_the_store_is_read_of_one_moment_and_never_written(postgres_url: str, tmp_path: Path) -> None:
    options = ServerOptions(
        data_dir=tmp_path,
        port=0,
        store_url=postgres_url,
        drivers=(DriverSettings(name="pretend", kind="pretend"),),
        pools=(pool_from_plain(POOLS[0]),),
    )
    token = await asyncio.to_thread(submitted, options)
    engine = open_engine(postgres_url)
    stored = Stored(
        options, engine, Alone(), lambda installation: core_settings(options, installation, "s", "u")
    )
    follower = Forwarding(Peers(None), stored, lambda: NOW_MS, None)
    async with through(follower, token) as http:
        status = await http.get("/status")
        assert status.status_code == 200, status.text
        assert status.json()["jobs"]["ready"] == 1
        assert status.json()["as_of"] == status.headers["herder-as-of"]
        assert "No leader answers." in status.json()["attention"][0]
        assert (await http.get("/jobs/1")).json()["state"] == "ready"
        assert (await http.get("/jobs/1")).headers["herder-as-of"] == status.headers["herder-as-of"]
        assert (await http.get("/pools/std/why")).status_code == 200
        assert (await http.post("/jobs", json={"runtime": "noop"})).status_code == 503
        assert (await http.get("/ready")).status_code == 503
        assert (await http.get("/jobs/1", headers={"Authorization": "Bearer x"})).status_code == 401
    await stored.close()
    engine.dispose()


def submitted(options: ServerOptions) -> str:
    """A job, on a server that then stops; the administrator's token."""

    def begun(running: Running) -> None:
        def call() -> None:
            headers = {"Authorization": f"Bearer {running.token}"}
            http = httpx.Client(base_url=f"{running.url}/api/v1", headers=headers)
            http.post("/pools/std/freeze", json={}).raise_for_status()
            http.post("/jobs", json={"runtime": "noop"}).raise_for_status()
            http.close()
            loop.call_soon_threadsafe(running.stop)

        loop = asyncio.get_running_loop()
        threading.Thread(target=call).start()

    assert asyncio.run(serve(options, begun)) == 0
    return (options.data_dir / "admin.token").read_text().strip()
