"""An API server that lies: what answers 200 and is not Kubernetes drops nothing, what has no end is given up, and each has a sentence."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from herder.remote.kubernetes.informer import Pace
from herder.remote.kubernetes.objects import RETRY_AFTER_MAX_S, moment_ms
from tests.remote.kubernetes.scripted import Api, Stream, expired, status
from tests.remote.kubernetes.test_informer import Running

pytestmark = pytest.mark.virtual_time

DEEP = b"[" * 200_000
ITEM = {"metadata": {"name": "b", "uid": "u9", "resourceVersion": "9"}}


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    api = Api()
    for name in ("w1", "w2", "w3"):
        api.put(name)
    made = Running(api, pace=Pace())
    yield made
    await made.close()


def listing(*items: dict[str, Any], **metadata: str) -> httpx.Response:
    return httpx.Response(200, json={"metadata": {"resourceVersion": "10", **metadata}, "items": items})


def named(name: str, namespace: str = "", uid: str = "u") -> httpx.Response:
    metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": "9"}
    return listing({"metadata": metadata})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(200, json={"kind": "Status", "metadata": {}, "code": 500}), "resourceVersion is missing"),
        (httpx.Response(200, json={"metadata": {"resourceVersion": ""}, "items": []}), "a list without a version"),
        (httpx.Response(200, json=[]), "it must be a mapping, not a list"),
        (httpx.Response(200, content=b""), "input data was truncated"),
        (httpx.Response(200, content=b"<html>login</html>"), "malformed"),
        (httpx.Response(200, content=b'{"metadata": {"resourceVersion": "1"}, "items": ' + DEEP), "a mapping, not a list"),
        (httpx.Response(200, content=b'{"metadata": {"resourceVersion": "1"}, "x": ' + DEEP), "recursion"),
        (listing({"metadata": {"resourceVersion": "9"}}), "an object with the name ''"),
        (named(".."), "an object with the name '..'"),
        (named("a/b"), "an object with the name 'a/b'"),
        (named("a", "."), "an object with the name 'a'"),
        (named("a", uid=""), "an object with the name 'a'"),
    ],
)  # fmt: skip
async def test_rubbish_is_no_empty_cluster(running: Running, answer: httpx.Response, words: str) -> None:
    await running.after(1)
    assert set(running.kept.now) == {"w1", "w2", "w3"}
    running.api.list_faults = [answer]
    running.api.watch_faults = [expired()]
    running.api.end_watches()
    for _ in range(20):
        await running.after(0.5)
        if running.informer.fault:
            break
    assert running.informer.fault.startswith(
        "Cluster prod answers the call list nodes with something that is not Kubernetes: "
    )
    assert words in running.informer.fault
    assert {"w1", "w2", "w3"} <= set(running.kept.now)
    await running.after(70)
    running.api.bookmark()
    await running.after()
    assert running.informer.fault == ""


async def test_pages_that_repeat_end(running: Running) -> None:
    running.api.always = lambda request: (
        None if "watch" in request.url.params else listing(ITEM, **{"continue": "again"})
    )
    running.api.watch_faults = [expired()]
    running.api.end_watches()
    await running.after(10)
    assert running.informer.fault.endswith("not Kubernetes: pages without an end.")
    assert {"w1", "w2", "w3"} <= set(running.kept.now)
    assert len(running.api.lists) < 30


async def test_objects_without_end_are_too_many() -> None:
    api = Api()
    running = Running(api, pace=Pace(page=2, objects_max=5))
    count = iter(range(1_000_000))

    def page(request: httpx.Request) -> httpx.Response | None:
        if "watch" in request.url.params:
            return None
        number = next(count)
        item = {"metadata": {"name": f"n{number}", "uid": "u", "resourceVersion": "9"}}
        return listing(item, **{"continue": str(number)})

    api.always = page
    await running.after(10)
    assert running.informer.fault.endswith("not Kubernetes: more than 5 nodes.")
    assert len(running.kept.now) == 5
    await running.close()


async def test_a_line_that_comes_byte_by_byte_is_silence(running: Running) -> None:
    await running.after(1)
    (stream,) = running.api.streams
    for _ in range(100):
        stream.pieces.put_nowait(b" ")
        await running.after(1)
    assert len(running.api.watches) > 1, "it was asked again"


async def test_events_that_come_late_bring_nothing_back(running: Running) -> None:
    await running.after(1)
    api = running.api
    late = json.loads(json.dumps(api.objects["w1"]))
    api.delete("w1")
    await running.after(1)
    api.tell("MODIFIED", late)
    api.tell("ADDED", late)
    await running.after(1)
    assert set(running.kept.now) == {"w2", "w3"}
    api.put("w1")
    await running.after(1)
    assert set(running.kept.now) == {"w1", "w2", "w3"}


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "BOOKMARK", "object": {"metadata": {}}}\n',
        b'{"type": "ADDED", "object": {"metadata": {"name": "x", "uid": "u"}}}\n',
        b'{"type": "ADDED", "object": {"metadata": {"name": "..", "uid": "u", "resourceVersion": "99"}}}\n',
        b'{"type": "ADDED", "object": {"x": ' + DEEP + b"\n",
        b"null\n",
        b"\xff\xfe\n",
    ],
)
async def test_an_event_that_is_none_ends_the_watch_and_loses_nothing(running: Running, line: bytes) -> None:
    await running.after(1)
    for stream in running.api.streams:
        stream.send(line)
    await running.after(0.2)
    assert "something that is not Kubernetes" in running.informer.fault
    running.api.delete("w2")
    await running.after(70)
    running.api.bookmark()
    await running.after()
    assert set(running.kept.now) == {"w1", "w3"}
    assert running.informer.fault == ""


async def test_a_version_beyond_all_numbers_is_only_another_one(running: Running) -> None:
    await running.after(1)
    metadata = {**running.api.objects["w1"]["metadata"], "resourceVersion": "9" * 5_000}
    running.api.tell("MODIFIED", {"metadata": {**metadata, "labels": {"a": "b"}}})
    await running.after(1)
    assert running.kept.labels()["w1"] == {"a": "b"}


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_at_once(running: Running) -> None:
    bookmark = json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "14"}}}) + "\n"

    def watch(request: httpx.Request) -> httpx.Response | None:
        if "watch" not in request.url.params:
            return None
        stream = Stream()
        stream.send(bookmark.encode())
        stream.pieces.put_nowait(None)
        return httpx.Response(200, stream=stream)

    running.api.always = watch
    running.api.end_watches()
    await running.after(60)
    assert 30 < len(running.api.watches) < 70


async def test_a_pause_that_the_server_asks_for_is_bounded(running: Running) -> None:
    running.api.list_faults = [status(429, "slow down", "TooManyRequests", retryAfterSeconds=10**9)]
    running.api.watch_faults = [expired()]
    running.api.end_watches()
    await running.after(RETRY_AFTER_MAX_S / 2)
    assert running.informer.lists == 1
    await running.after(RETRY_AFTER_MAX_S)
    assert running.informer.lists > 1


@pytest.mark.parametrize(
    "text", ["", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "x", "2026-13-01", "1e999"]
)
def test_no_time_is_too_odd(text: str) -> None:
    found = moment_ms(text)
    assert found is None or isinstance(found, int)
    assert moment_ms("2026-11-27T05:00:00") == moment_ms("2026-11-27T05:00:00Z")
