"""A request that is sent again with its Idempotency-Key: it finds what the first one made, whatever happened in between."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.client.clock import new_key
from herder.control import requests
from herder.control.errors import Conflict
from herder.control.requests import Kind, Made, Requests, fingerprint_of
from herder.model.changes import Changes
from herder.model.ids import UserName
from herder.model.records import JobNew
from tests.api.conftest import POOLS, Server

JOB = {"runtime": "noop", "pool": "std"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path).start()
    made.http.post("/apply", json={"pools": [{**POOLS[0], "max_workers": 8}, POOLS[1]]}).raise_for_status()
    yield made
    made.stop()


def send(server: Server, method: str, path: str, body: Any, key: str) -> httpx.Response:
    content = {"json": body} if body is not None else {}
    return server.http.request(method, path, headers={"Idempotency-Key": key}, **content)


def open_batch(server: Server) -> int:
    return int(server.http.post("/batches", json={"jobs": [JOB]}).json()["id"])


def standing_worker(server: Server) -> str:
    return str(server.http.post("/pools/std/scale", json={"workers": 1, "ttl_hours": 1}).json()["workers"][0])


#: What is asked, given the server: method, path, body.
ASKED = {
    "a job": lambda server: ("POST", "/jobs", JOB),
    "a batch": lambda server: ("POST", "/batches", {"name": "b", "jobs": [JOB] * 3, "commit": False}),
    "a batch that starts": lambda server: ("POST", "/batches", {"jobs": [JOB] * 3, "commit": True}),
    "jobs of a batch": lambda server: ("POST", f"/batches/{open_batch(server)}/jobs", {"jobs": [JOB] * 4}),
    "a commit": lambda server: ("POST", f"/batches/{open_batch(server)}/commit", None),
    "a cancelled batch": lambda server: ("POST", f"/batches/{open_batch(server)}/cancel", {}),
    "workers": lambda server: ("POST", "/pools/std/scale", {"workers": 3, "ttl_hours": 1}),
    "an extension": lambda server: ("POST", f"/workers/{standing_worker(server)}/extend", {"hours": 1}),
    "a worker that goes": lambda server: ("POST", f"/workers/{standing_worker(server)}/remove", {}),
    "a frozen pool": lambda server: ("POST", "/pools/big/freeze", {}),
    "a pool less": lambda server: ("DELETE", "/pools/big", None),
}


def world(server: Server) -> Any:
    """All that such requests change."""
    jobs = [(job["id"], job["state"]) for job in server.http.get("/jobs").json()["items"]]
    workers = sorted(
        (w["name"], w["expires_at"]) for w in server.http.get("/workers?ended=true").json()["items"]
    )
    events = [
        e["kind"]
        for e in server.http.get("/events?limit=1000").json()["items"]
        if e["actor"] != "herder"  # the planner makes workers meanwhile
    ]
    done = (
        "batch.committed",
        "batch.cancelled",
        "worker.requested",
        "worker.extended",
        "pool.frozen",
        "pool.deleted",
    )
    return jobs, workers, sorted(kind for kind in events if kind in done)


def ids(answer: httpx.Response) -> dict[str, Any]:
    plain = answer.raise_for_status().json()
    return {
        name: plain[name]
        for name in ("id", "first_job", "count", "workers", "plan", "object")
        if name in plain
    }


@pytest.mark.parametrize("what", list(ASKED))
def test_the_same_request_again_acts_once(server: Server, what: str) -> None:
    asked = ASKED[what](server)
    first = send(server, *asked, "one")
    after = world(server)
    assert ids(send(server, *asked, "one")) == ids(first)
    server.restart()
    again = send(server, *asked, "one")
    assert ids(again) == ids(first)
    assert set(again.json()) == set(first.json())
    assert world(server)[0::2] == after[0::2]
    assert send(server, asked[0], f"{asked[1]}?x=1", asked[2], "one").status_code == 409
    assert server.http.get("/invariants").json() == {"violations": []}


def test_a_key_is_known_for_whatever_it_was_used(server: Server) -> None:
    send(server, "POST", "/jobs", JOB, "one").raise_for_status()
    server.restart()
    refused = send(server, "POST", "/batches", {"jobs": [JOB]}, "one")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_a_key_belongs_to_its_user(server: Server) -> None:
    token = server.token_of("user")
    send(server, "POST", "/jobs", JOB, "one").raise_for_status()
    with server.client(token) as other:
        answer = other.post("/jobs", json=JOB, headers={"Idempotency-Key": "one"}).raise_for_status()
    assert answer.json()["first_job"] == 2


def test_the_same_request_twice_at_once(server: Server) -> None:
    for turn in range(10):
        answers: list[httpx.Response] = []
        threads = [
            threading.Thread(target=lambda: answers.append(send(server, "POST", "/jobs", JOB, f"k{turn}")))  # noqa: B023
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({answer.json()["first_job"] for answer in answers}) == 1
    assert len(server.http.get("/jobs").json()["items"]) == 10


def test_what_is_not_remembered_any_more_is_found_in_the_store(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "RECENT_MAX", 1)
    keys = [f"k{number}" for number in range(5)] + [new_key() for _ in range(5)]
    made = [send(server, "POST", "/jobs", JOB, key).json()["first_job"] for key in keys]
    assert [send(server, "POST", "/jobs", JOB, key).json()["first_job"] for key in keys] == made


# --- what is looked up in the store


class Reads:
    """A core that counts the looks into the store, and finds nothing there."""

    def __init__(self, now_ms: int) -> None:
        self.clock, self.now, self.count = self, now_ms, 0

    def now_ms(self) -> int:
        return self.now

    async def read(self, query: object) -> dict[str, Made]:
        self.count += 1
        return {}


def timed(at_ms: int, number: int = 0) -> str:
    return f"t-{at_ms:012x}-{number:020x}"


def looks(known: Requests, core: Any, key: str) -> int:
    before = core.count
    asyncio.run(known.find(core, UserName("ann"), key, "f"))
    return int(core.count - before)


def keep(known: Requests, key: str, now_ms: int) -> None:
    changes = Changes()
    changes.jobs_new.append(JobNew(1, None, 0, 1, None, "{}", 1, 2, 1))
    known.keep(changes, UserName("ann"), key, "f", now_ms)
    assert changes.jobs_new[0].request == f"ann/{key}"


def test_only_keys_that_may_be_older_than_the_memory_are_looked_up() -> None:
    start = 1_700_000_000_000
    known, core = Requests(), Reads(start)
    assert looks(known, core, timed(start)) == 1, "it may have been sent to the server before"
    core.now = start + 5 * requests.SKEW_MS
    assert looks(known, core, timed(core.now)) == 0
    assert looks(known, core, timed(core.now - 2 * requests.SKEW_MS)) == 1, (
        "an old key, or a clock that is off"
    )
    assert looks(known, core, timed(core.now + 2 * requests.SKEW_MS)) == 1, "a clock that is off"
    assert looks(known, core, "somebody's own") == 1
    assert looks(known, core, f"t-{core.now:x}-short") == 1


def test_our_clients_keys_are_such() -> None:
    assert requests._TIMED.fullmatch(new_key())
    assert new_key() != new_key()


def test_the_filter_never_denies_what_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "FILTER_KEYS", 1000)
    monkeypatch.setattr(requests, "FILTER_BITS", 10_000)
    monkeypatch.setattr(requests, "RECENT_MAX", 1)
    start = 1_700_000_000_000
    known, core = Requests(), Reads(start)
    at = start + 10 * requests.SKEW_MS
    looks(known, core, timed(start))
    for number in range(2900):
        keep(known, timed(at + number, number), at + number)
    core.now = at + 2900
    missed = [n for n in range(2899) if known._is_new(f"ann/{timed(at + n, n)}", timed(at + n, n), core.now)]
    assert missed == []
    later = core.now + 10 * requests.SKEW_MS
    core.now = later
    alarms = sum(looks(known, core, timed(later, number)) for number in range(10_000, 11_000))
    assert alarms < 50


def test_a_key_for_something_else_is_refused() -> None:
    known, core = Requests(), Reads(5)
    keep(known, "k", 5)
    assert asyncio.run(known.find(core, UserName("ann"), "k", "f")) == Made(  # type: ignore[arg-type]
        kind=Kind.JOB, number=1, fingerprint="f"
    )
    with pytest.raises(Conflict, match="used for another request"):
        asyncio.run(known.find(core, UserName("ann"), "k", "g"))  # type: ignore[arg-type]
    assert fingerprint_of("POST /jobs?", b"{}") != fingerprint_of("POST /jobs?", b"{ }")
