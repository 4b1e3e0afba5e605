"""An informer's picture is the server's state after any fault of the API, and says since when it is not.

All on virtual time: minutes of silence take none.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from herder.remote.kubernetes.calls import NODES
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.kubernetes.informer import Informer, Pace
from herder.remote.kubernetes.objects import Metadata
from tests.remote.kubernetes.scripted import Api, expired, status, too_large

pytestmark = pytest.mark.virtual_time


class Thing(msgspec.Struct):
    metadata: Metadata


class Kept:
    """The reader: what it was given, and how often."""

    def __init__(self) -> None:
        self.now: dict[str, Thing] = {}
        self.puts = 0
        self.drops = 0
        self.news = 0

    def put(self, key: str, item: Thing) -> None:
        self.now[key] = item
        self.puts += 1

    def drop(self, key: str) -> None:
        del self.now[key]
        self.drops += 1

    def told(self) -> None:
        self.news += 1

    def labels(self) -> dict[str, dict[str, str]]:
        return {key: item.metadata.labels or {} for key, item in self.now.items()}


class LoopClock:
    def now_ms(self) -> int:
        return int(asyncio.get_running_loop().time() * 1000)

    monotonic_ms = now_ms


class Running:
    """An informer that runs."""

    def __init__(self, api: Api, *, pace: Pace, chance: float = 0.5) -> None:
        self.api = api
        self.kept = Kept()
        access = Access(url="http://api", tokens=GivenToken("t"))
        self.connection = Connection("prod", access, transport=api)
        self.informer = Informer(
            self.connection, NODES, Thing, self.kept,
            clock=LoopClock(), chance=lambda: chance, changed=self.kept.told, pace=pace,
        )  # fmt: skip
        self.task = asyncio.create_task(self.informer.run())

    async def after(self, seconds: float = 0.5) -> dict[str, dict[str, str]]:
        """What is known then."""
        await asyncio.sleep(seconds)
        assert not self.task.done()
        return self.kept.labels()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.connection.close()


@pytest.fixture
async def run() -> AsyncIterator[Any]:
    made: list[Running] = []

    def start(api: Api, *, chance: float = 0.5, **pace: Any) -> Running:
        made.append(Running(api, pace=Pace(**pace), chance=chance))
        return made[-1]

    yield start
    for each in made:
        await each.close()


def api_with(*names: str) -> Api:
    api = Api()
    for name in names:
        api.put(name, pool="burst")
    return api


async def test_it_lists_in_pages_and_watches_from_there(run: Any) -> None:
    api = api_with("a", "b", "c", "d", "e")
    running = run(api, page=2)
    assert sorted(await running.after()) == ["a", "b", "c", "d", "e"]
    assert [each.get("continue") for each in api.lists] == [None, "2", "4"]
    (watch,) = api.watches
    assert watch["resourceVersion"] == "15"
    assert watch["allowWatchBookmarks"] == "true"
    assert 300 <= int(watch["timeoutSeconds"]) <= 600
    api.put("b", pool="spot")
    api.delete("c")
    api.put("f")
    found = await running.after()
    assert sorted(found) == ["a", "b", "d", "e", "f"]
    assert found["b"] == {"pool": "spot"}
    assert len(api.lists) == 3


async def test_nothing_is_known_before_the_list_is_complete(run: Any) -> None:
    api = api_with("a", "b", "c")
    api.always = lambda request: status(500, "etcd is busy") if "continue" in request.url.params else None
    running = run(api, page=2)
    await running.after(30)
    assert running.informer.heard_ms is None
    assert "Etcd is busy" in running.informer.fault


async def test_events_that_are_known_already_change_nothing(run: Any) -> None:
    api = api_with("a")
    running = run(api)
    await running.after()
    api.put("a", pool="spot")
    await running.after()
    puts, news = running.kept.puts, running.kept.news
    api.tell("MODIFIED", api.objects["a"])
    older = {"metadata": {**api.objects["a"]["metadata"], "resourceVersion": "9", "labels": {}}}
    api.tell("MODIFIED", older)
    assert await running.after() == {"a": {"pool": "spot"}}
    assert (running.kept.puts, running.kept.news) == (puts, news)


async def test_of_two_objects_of_one_name_the_later_stays(run: Any) -> None:
    """A node that was deleted by hand and registered again: the end of the first may be seen after the beginning of the second."""
    api = api_with("a")
    running = run(api)
    await running.after()
    first = api.objects["a"]
    api.put("a", uid="later", pool="spot")
    api.tell("DELETED", first)
    assert await running.after() == {"a": {"pool": "spot"}}
    assert running.kept.now["a"].metadata.uid == "later"
    api.delete("a")
    assert await running.after() == {}


async def test_a_watch_that_ends_goes_on_from_the_last_bookmark(run: Any) -> None:
    api = api_with("a")
    running = run(api)
    await running.after()
    api.version += 100
    api.bookmark()
    await running.after()
    api.end_watches()
    await running.after(5)
    assert api.watches[-1]["resourceVersion"] == str(api.version)
    assert len(api.lists) == 1
    assert running.informer.fault == ""


async def test_after_a_410_it_lists_again_and_drops_what_has_vanished(run: Any) -> None:
    api = api_with("a", "b")
    running = run(api)
    await running.after()
    api.end_watches(httpx.ReadError("connection reset"))
    await running.after(0.01)
    api.delete("a")
    api.put("c")
    api.forget()
    assert sorted(await running.after(5)) == ["b", "c"]
    assert len(api.lists) == 2
    assert running.informer.fault == ""


async def test_a_410_in_the_middle_of_a_list_starts_it_again_with_larger_pages(run: Any) -> None:
    api = api_with("a", "b", "c", "d", "e")
    cut = [expired()]
    api.always = lambda request: cut.pop() if cut and "continue" in request.url.params else None
    running = run(api, page=2)
    assert sorted(await running.after(5)) == ["a", "b", "c", "d", "e"]
    assert [each["limit"] for each in api.lists] == ["2", "2", "4", "4"]


async def test_nothing_is_dropped_while_a_second_list_is_read(run: Any) -> None:
    api = api_with("a", "b", "c")
    running = run(api, page=2)
    await running.after()
    heard_ms = running.informer.heard_ms
    api.silent = True
    api.delete("c")
    api.forget()
    api.always = lambda request: status(503, "no etcd leader") if "limit" in request.url.params else None
    api.end_watches()
    assert sorted(await running.after(60)) == ["a", "b", "c"]
    assert running.informer.heard_ms <= heard_ms + 1000
    assert "No etcd leader" in running.informer.fault
    api.always = lambda request: None
    api.silent = False
    assert sorted(await running.after(120)) == ["a", "b"]


async def test_a_server_that_answers_410_for_ever_is_not_listed_for_ever(run: Any) -> None:
    api = api_with("a")
    api.always = lambda request: expired() if "watch" in request.url.params else None
    running = run(api)
    await running.after(3600)
    assert len(api.lists) < 100


async def test_a_server_that_ends_every_watch_is_not_asked_all_the_time(run: Any) -> None:
    api = api_with("a")
    api.always = lambda request: httpx.Response(200) if "watch" in request.url.params else None
    running = run(api)
    await running.after(100)
    assert 50 < len(api.watches) <= 101
    assert len(api.lists) == 1


async def test_a_server_that_lags_behind_is_waited_for(run: Any) -> None:
    api = api_with("a")
    api.watch_faults = [too_large(7), too_large(7)]
    running = run(api)
    await running.after(6.9)
    assert len(api.watches) == 1
    await running.after(0.2)
    assert len(api.watches) == 2, "it waited as long as it was asked to"
    await running.after(9)
    assert (len(api.lists), len(api.watches)) == (1, 3)
    assert running.informer.fault == ""


async def test_a_server_that_was_set_back_is_listed_again(run: Any) -> None:
    """Its etcd was restored from a backup: it knows less, and its versions begin lower."""
    api = api_with("a", "b")
    api.version = 1000
    running = run(api)
    await running.after()
    api.end_watches(httpx.ReadError("gone"))
    api.version, api.history = 20, []
    api.objects = {}
    api.put("a", uid="u1", pool="restored")
    assert await running.after(30) == {"a": {"pool": "restored"}}
    api.put("a", pool="later")
    assert await running.after() == {"a": {"pool": "later"}}


async def test_a_bookmark_of_an_older_version_is_no_sign_of_life(run: Any) -> None:
    """The watch is still open, and the state behind it was restored."""
    api = api_with("a", "b")
    api.version = 1000
    running = run(api)
    await running.after()
    heard_ms = running.informer.heard_ms
    api.version, api.history, api.objects = 20, [], {}
    api.silent = True
    api.put("a", uid="u1", pool="restored")
    api.silent = False
    api.list_faults = [status(503, "restoring")]
    api.bookmark()
    assert set(await running.after(0.2)) == {"a", "b"}
    assert running.informer.heard_ms == heard_ms
    assert running.informer.fault == (
        "Cluster prod is at an older version of its nodes than before, as after a restored backup. Herder lists them again."
    )
    assert await running.after(30) == {"a": {"pool": "restored"}}
    api.bookmark()
    await running.after()
    assert running.informer.fault == ""
    assert len(api.lists) == 3


async def test_pauses_grow_while_it_does_not_answer_and_it_says_so(run: Any) -> None:
    api = api_with("a")
    running = run(api)
    await running.after()
    api.always = lambda request: httpx.ConnectError("connection refused")
    api.end_watches(httpx.ReadError("reset"))
    await running.after(600)
    assert 10 < len(api.watches) < 25
    fault = running.informer.fault
    assert fault == "Cluster prod at http://api does not answer: connection refused."
    api.put("b")
    api.always = lambda request: None
    assert sorted(await running.after(61)) == ["a", "b"]
    assert running.informer.fault == ""
    assert len(api.lists) == 1, "nothing was lost, so nothing is listed again"


async def test_it_waits_as_long_as_a_busy_server_asks(run: Any) -> None:
    api = api_with("a")
    api.list_faults = [status(429, "too many requests", retryAfterSeconds=40)]
    running = run(api)
    assert await running.after(39) == {}
    assert len(api.lists) == 1
    assert sorted(await running.after(3)) == ["a"]


async def test_a_watch_that_falls_silent_is_noticed(run: Any) -> None:
    api = api_with("a")
    running = run(api)
    await running.after()
    api.silent = True
    api.put("b")
    await running.after(74)
    assert running.informer.fault == ""
    await running.after(2)
    assert running.informer.fault.startswith("Cluster prod has sent nothing about its nodes for 75 s.")
    assert (len(api.watches), len(api.lists)) == (2, 1)
    assert sorted(await running.after(76)) == ["a", "b"], "the second time it lists"
    assert len(api.lists) == 2
    api.silent = False
    api.bookmark()
    await running.after()
    assert running.informer.fault == ""


async def test_a_quiet_cluster_with_bookmarks_is_not_listed_again(run: Any) -> None:
    api = api_with("a")
    running = run(api)
    for _ in range(20):
        await running.after(60)
        api.bookmark()
    await running.after()
    assert (len(api.lists), len(api.watches)) == (1, 1)
    assert running.informer.heard_ms >= 1_200_000


async def test_a_line_that_was_cut_is_not_read(run: Any) -> None:
    api = api_with("a")
    running = run(api)
    await running.after()
    api.streams[-1].send(b'{"type":"DELETED","object":{"metadata":{"name":"a"')
    api.end_watches(httpx.RemoteProtocolError("peer closed connection"))
    assert sorted(await running.after(5)) == ["a"]


@pytest.mark.parametrize("line", [b"<html>\n", b'{"type":"ADDED","object":{"metadata":[]}}\n'])
async def test_what_is_not_kubernetes_is_said_and_changes_nothing(run: Any, line: bytes) -> None:
    api = api_with("a")
    running = run(api)
    await running.after()
    api.streams[-1].send(line)
    await running.after(0.1)
    assert "that is not Kubernetes" in running.informer.fault
    assert sorted(await running.after(5)) == ["a"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(401, "Unauthorized", "Unauthorized"), "refuses the credentials (HTTP status 401). Renew"),
        (
            status(403, 'nodes is forbidden: User "x" cannot list resource "nodes"', "Forbidden"),
            'does not allow Herder to list nodes. Add the rule {apiGroups: [""], resources: ["nodes"], verbs: ["list"]}',
        ),
        (httpx.Response(302, headers={"location": "http://other"}), "answers with a redirect"),
    ],
)
async def test_credentials_and_rights_that_lack_are_named(
    run: Any, answer: httpx.Response, words: str
) -> None:
    api = api_with("a")
    body = answer.content
    api.always = lambda request: httpx.Response(answer.status_code, content=body, headers=answer.headers)
    running = run(api)
    assert await running.after(60) == {}
    assert words in running.informer.fault
    api.always = lambda request: None
    assert sorted(await running.after(61)) == ["a"]
