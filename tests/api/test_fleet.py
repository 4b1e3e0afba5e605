"""Pools, workers, plans, users and events over HTTP."""

import json
import threading
import time
from typing import Any

import httpx
import pytest

from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server


def test_applying_again_changes_nothing_and_a_dry_run_says_what_would(
    api: httpx.Client, refused: Refusal
) -> None:
    assert [each["change"] for each in api.post("/apply", json={"pools": POOLS}).json()["changes"]] == [
        "unchanged"
    ] * 2
    more = [{**POOLS[0], "max_workers": 5}, {**POOLS[0], "name": "new"}]
    dry = api.post("/apply", params={"dry_run": "true"}, json={"pools": more}).json()
    assert [(each["pool"], each["change"]) for each in dry["changes"]] == [
        ("std", "updated"),
        ("new", "created"),
    ]
    assert dry["changes"][0]["fields"] == {"max_workers": [3, 5]}
    refused(404, "GET", "/pools/new")
    assert api.get("/pools/std").json()["max_workers"] == 3


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ({**POOLS[0], "name": "x", "driver": "nope"}, "does not have"),
        ({"name": "auto"}, "auto"),
        ({"max_workers": 3}, "name"),
        ({"name": "x", "max_worker": 3}, "max_worker"),
        ({"name": "x", "max_workers": 10**30}, "max_workers"),
        ({**POOLS[0], "name": "x", "ttl": "1e300h"}, "ttl"),
        ({**POOLS[0], "name": "x", "ttl": "99999999999999999999999h"}, "ttl"),
        ({"name": "a\x00b"}, "name"),
    ],
)
def test_a_wrong_pool_applies_nothing(
    api: httpx.Client, refused: Refusal, pool: dict[str, Any], says: str
) -> None:
    before = api.get("/pools").json()["items"]
    problem = refused(422, "POST", "/apply", json={"pools": [{**POOLS[0], "max_workers": 9}, pool]})
    assert says in problem["detail"] + problem["field"]
    assert [pool["name"] for pool in api.get("/pools").json()["items"]] == [pool["name"] for pool in before]
    assert api.get("/pools/std").json()["max_workers"] == 3
    assert api.get("/ready").status_code == 200


def test_a_worker_seen_from_all_sides(api: httpx.Client, worker: PlayedWorker) -> None:
    name = worker.name
    view = api.get(f"/workers/{name}").json()
    assert (view["state"], view["pool"], view["cordoned"]) == ("ready", "std", False)
    assert name in [each["name"] for each in api.get("/workers", params={"pool": "std"}).json()["items"]]
    assert name in [each["name"] for each in api.get("/workers", params={"ended": "true"}).json()["items"]]
    assert api.get("/workers", params={"faults": "true"}).json()["items"] == []
    refused = api.get("/workers", params={"faults": "true", "ended": "true"})
    assert (refused.status_code, refused.json()["field"]) == (422, "faults")
    assert "requested 1 more worker" in api.get(f"/workers/{name}/why").json()["summary"]
    assert "power on" in api.get(f"/workers/{name}/console").text
    unknown = api.get(f"/workers/{name}/operations")
    assert unknown.status_code == 404
    assert "Driver pretend cannot list the operations of a machine." in unknown.json()["detail"]
    assert api.get("/pools/std").json()["ready"] == 1
    assert api.get("/pools/std/why").json()["facts"]
    assert api.get("/status").json()["workers"] == {"ready": 1}
    for verb, cordoned in (("cordon", True), ("uncordon", False)):
        dry = api.post(f"/workers/{name}/{verb}", params={"dry_run": "1"}, json={"message": "a\x00b"}).json()
        assert dry["dry_run"] is True
        assert api.get(f"/workers/{name}").json()["cordoned"] is not cordoned
        api.post(f"/workers/{name}/{verb}", json={"message": "a\x00b ü"}).raise_for_status()
        assert api.get(f"/workers/{name}").json()["cordoned"] is cordoned
    assert view["health"] == "healthy"
    worker.exchange(troubles=["no file descriptors are left"])
    (sick,) = [each for each in api.get("/workers").json()["items"] if each["name"] == name]
    assert sick["health"] == "troubled"
    assert "no file descriptors are left." in sick["health_reason"]
    worker.exchange()
    before = api.get(f"/workers/{name}").json()["expires_at"]
    api.post(f"/workers/{name}/extend", json={"extend_s": 3600}).raise_for_status()
    assert api.get(f"/workers/{name}").json()["expires_at"] > before


@pytest.mark.parametrize("seconds", [0, -1, 1e300, 4e11])
def test_an_extension_that_cannot_be(refused: Refusal, worker: PlayedWorker, seconds: float) -> None:
    assert (
        refused(422, "POST", f"/workers/{worker.name}/extend", json={"extend_s": seconds})["field"]
        == "extend_s"
    )


def test_extensions_have_a_bound(api: httpx.Client, refused: Refusal, worker: PlayedWorker) -> None:
    for _ in range(3):
        api.post(f"/workers/{worker.name}/extend", json={}).raise_for_status()
    assert "3 times" in refused(409, "POST", f"/workers/{worker.name}/extend", json={})["detail"]


def test_a_worker_with_work_is_drained_before_it_is_removed(api: httpx.Client, worker: PlayedWorker) -> None:
    job = api.post("/jobs", json={"runtime": "noop"}).json()["first_job"]
    worker.take()
    answer = api.post(f"/workers/{worker.name}/remove", json={"message": "maintenance"}).raise_for_status()
    assert "it is removed when its 1 attempt has ended" in answer.json()["text"]
    assert worker.exchange().drain
    worker.end(job)
    for _ in range(100):
        if worker_gone(worker):
            break
        time.sleep(0.05)
    assert "Maintenance." in api.get(f"/workers/{worker.name}/why").json()["summary"]
    assert api.get(f"/jobs/{job}").json()["state"] == "succeeded"


def worker_gone(worker: PlayedWorker) -> bool:
    answer = worker.http.post("/worker/exchange", json={"number": 999, "wait": False})
    return answer.status_code == 401 or answer.json().get("stop") is True


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"workers": 0}, 422, "workers"),
        ({"workers": 10**30}, 409, "workers"),
        ({"workers": 1, "template": "none"}, 422, "template"),
        ({"workers": 1, "ttl_s": 0}, 422, "ttl_s"),
        ({"workers": 1, "ttl_s": 29.9}, 422, "ttl_s"),
        ({"workers": 1, "ttl_s": 1e300}, 422, "ttl_s"),
        ({"workers": 1, "ttl_s": 4e11}, 422, "ttl_s"),
        ({"workers": "1"}, 422, "workers"),
    ],
)
def test_a_scale_request_that_cannot_be(
    api: httpx.Client, refused: Refusal, body: dict[str, Any], status: int, field: str
) -> None:
    assert refused(status, "POST", "/pools/big/scale", json=body)["field"] == field
    assert api.get("/ready").status_code == 200


def test_a_ttl_that_is_too_short_for_a_pool_is_so_for_a_request(api: httpx.Client, refused: Refusal) -> None:
    said = refused(422, "POST", "/pools/big/scale", json={"workers": 1, "ttl_s": 5})
    assert said["detail"] == "The time to live 5s is below the minimum of 30s."
    assert said["hint"] == "Request 30s or more, usually hours."
    shortest = {"workers": 1, "ttl_s": 30}
    api.post("/pools/big/scale", params={"dry_run": "true"}, json=shortest).raise_for_status()


def test_scaling_dry_frozen_and_unknown(api: httpx.Client, refused: Refusal) -> None:
    dry = api.post("/pools/big/scale", params={"dry_run": "yes"}, json={"workers": 2}).json()
    assert (len(dry["workers"]), dry["plan"]) == (2, None)
    assert api.get("/pools/big").json()["actual"] == 0
    api.post("/pools/big/freeze", json={"message": "hands off"}).raise_for_status()
    assert api.get("/pools/big").json()["frozen"] is True
    refused(409, "POST", "/pools/big/scale", json={"workers": 1})
    api.post("/pools/big/unfreeze", json={}).raise_for_status()
    assert "Pools are" in refused(404, "POST", "/pools/bigg/scale", json={"workers": 1})["hint"]
    refused(422, "POST", "/pools/big/scale", params={"dry_run": "perhaps"}, json={"workers": 1})


def test_a_pool_may_be_deleted(api: httpx.Client, refused: Refusal) -> None:
    api.post("/apply", json={"pools": [{**POOLS[0], "name": "brief"}]}).raise_for_status()
    api.request("DELETE", "/pools/brief", params={"dry_run": "true"}).raise_for_status()
    api.get("/pools/brief").raise_for_status()
    api.request("DELETE", "/pools/brief").raise_for_status()
    refused(404, "GET", "/pools/brief")


def test_plans(api: httpx.Client, refused: Refusal, worker: PlayedWorker) -> None:
    plan = api.get("/plans", params={"actions": "true"}).json()["items"][0]
    assert plan["actions"][0]["spec"]["name"] == worker.name
    assert api.get(f"/plans/{plan['number']}").json() == plan
    before = api.get("/plans").json()["items"][0]["number"]
    assert api.get("/plans/next").json()["pools"]
    assert api.get("/plans").json()["items"][0]["number"] == before
    refused(404, "GET", "/plans/99999")
    refused(404, "GET", "/plans/²")


def test_users_and_tokens(api: httpx.Client, refused: Refusal, server: Server) -> None:
    made = api.post("/users", json={"name": "bea", "role": "user", "weight": 3}).json()
    assert (made["role"], made["weight"]) == ("user", 3)
    assert "bea" in [user["name"] for user in api.get("/users").json()["items"]]
    for body, field in (
        ({"name": "a/b", "role": "user", "weight": 1}, "name"),
        ({"name": "x\x00", "role": "user", "weight": 1}, "name"),
        ({"name": "x", "role": "user", "weight": 10**30}, "weight"),
        ({"name": "x", "role": "king", "weight": 1}, "role"),
    ):
        assert refused(422, "POST", "/users", json=body)["field"] == field
    assert refused(422, "POST", "/tokens", json={"user": "nobody"})["field"] == "user"
    key = {"Idempotency-Key": "make-token"}
    tokens = {api.post("/tokens", json={"user": "bea"}, headers=key).json()["token"] for _ in range(2)}
    assert len(tokens) == 1
    (token,) = tokens
    with server.client(token) as bea:
        assert bea.get("/status").status_code == 200
    other = api.post("/tokens", json={"user": "bea"}).json()["token"]
    assert other != token
    for path in server.folder.rglob("*"):
        if path.is_file() and path.name != "admin.token":
            assert token.encode() not in path.read_bytes(), f"a token stands in clear in {path.name}"


def read_events(client: httpx.Client, count: int, **headers: str) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = []
    with client.stream("GET", "/events/stream", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        number = ""
        for line in answer.iter_lines():
            if line.startswith("id: "):
                number = line[4:]
            if line.startswith("data: "):
                got.append(json.loads(line[6:]))
                assert got[-1]["sequence"] == int(number)
            if len(got) >= count:
                break
    return got


def test_the_stream_resumes_where_it_was_left(api: httpx.Client, server: Server) -> None:
    last = api.get("/events", params={"newest": "true", "limit": 1}).json()["items"][0]["sequence"]
    for _ in range(3):
        api.post("/pools/big/freeze", json={}).raise_for_status()
        api.post("/pools/big/unfreeze", json={}).raise_for_status()
    with server.client(server.running.token) as client:
        first = read_events(client, 2, **{"Last-Event-ID": str(last)})
        rest = read_events(client, 4, **{"Last-Event-ID": str(first[-1]["sequence"])})
    numbers = [each["sequence"] for each in first + rest]
    assert numbers == list(range(last + 1, last + 7))
    assert {each["kind"] for each in first} == {"pool.frozen", "pool.unfrozen"}


def test_the_stream_brings_what_happens(api: httpx.Client, server: Server) -> None:
    got: list[dict[str, Any]] = []

    def watch() -> None:
        with server.client(server.running.token) as client:
            got.extend(read_events(client, 1))

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(50):
        api.post("/pools/big/freeze", json={})
        api.post("/pools/big/unfreeze", json={})
        thread.join(0.1)
        if not thread.is_alive():
            break
    assert got[0]["object"] == "pool/big"


def test_event_pages(api: httpx.Client, refused: Refusal) -> None:
    everything = api.get("/events", params={"limit": 1000}).json()["items"]
    assert [each["sequence"] for each in everything] == sorted(each["sequence"] for each in everything)
    page = api.get("/events", params={"limit": 2}).json()
    following = api.get("/events", params={"limit": 2, "after": page["next"]}).json()
    assert [each["sequence"] for each in page["items"] + following["items"]] == [
        each["sequence"] for each in everything[:4]
    ]
    assert all(each["kind"].startswith("pool.") for each in api.get("/events?kind=pool.").json()["items"])
    assert all(each["object"] == "pool/big" for each in api.get("/events?object=pool/big").json()["items"])
    refused(422, "GET", "/events?after=²")


def test_metrics_invariants_health(api: httpx.Client, server: Server) -> None:
    with httpx.Client(base_url=server.running.url, headers=api.headers) as root:
        assert "herder_jobs{" in root.get("/metrics").text
    assert api.get("/invariants").json() == {"violations": []}
    with server.client() as nobody:
        assert nobody.get("/health").json() == {"status": "ok", "role": "leader"}
        assert nobody.get("/ready").json() == {"status": "ready"}
