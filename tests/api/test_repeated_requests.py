"""A request that is sent again with its Idempotency-Key: it finds what the first one made, whatever happened in between."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from herder.api.application import front_of
from herder.client.http.clock import new_key
from herder.control.access import idempotency
from herder.control.access.idempotency import Kind, Made, Requests, fingerprint_of
from herder.control.kernel.bounds.errors import Conflict
from herder.ledger.alerts.documented import TOKEN_BUDGET
from herder.ledger.alerts.readings import Reading
from herder.model.ids import UserName
from herder.model.stored.changes import Changes
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.stored.records import JobNew
from herder.model.work.alerts import Channel
from herder.settings.sections.server import DriverSettings
from herder.store.rows.alert_rows import record_of
from tests.api.conftest import POOLS, Server

JOB = {"runtime": "noop", "pool": "std"}
HOUR_AGO = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
USE = {"id": "1", "time": HOUR_AGO, "resource": "network.inter", "quantity": "1"}
REQUEST = {"id": "1", "time": HOUR_AGO, "model": "m", "tokens": {"input": 1, "output": 2}}
NIGHTLY: dict[str, Any] = {"name": "nightly", "cron": "0 2 * * *", "batch": {"jobs": [JOB]}}


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


def grouped_batch(server: Server) -> int:
    return int(server.http.post("/batches", json={"jobs": [{**JOB, "group": "a/b"}]}).json()["id"])


def ended_job(server: Server) -> int:
    job = int(server.http.post("/jobs", json=JOB).json()["first_job"])
    server.http.post(f"/jobs/{job}/cancel", json={}).raise_for_status()
    return job


def waiting_job(server: Server) -> int:
    return int(server.http.post("/jobs", json=JOB).json()["first_job"])


def held(server: Server, what: str, number: int) -> str:
    server.http.post(f"/{what}/{number}/hold", json={}).raise_for_status()
    return f"/{what}/{number}/release"


def failed_batch(server: Server, **job: str) -> int:
    batch = int(server.http.post("/batches", json={"jobs": [{**JOB, **job}], "commit": True}).json()["id"])
    worker = server.worker()
    (given,) = worker.take()
    worker.end(given.job, state="failed", cause="exit_code")
    worker.close()
    return batch


def kept_open(server: Server) -> int:
    body = {"jobs": [JOB], "commit": True, "keep_open": True}
    return int(server.http.post("/batches", json=body).json()["id"])


def ended_batch(server: Server) -> int:
    batch = open_batch(server)
    server.http.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    return batch


def called_back(server: Server) -> int:
    """One whose callback was not delivered: a host that does not exist."""
    body = {"jobs": [JOB], "commit": True, "callback": "https://nowhere.invalid/"}
    batch = int(server.http.post("/batches", json=body).json()["id"])
    server.http.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    for _ in range(1000):
        if server.http.get(f"/batches/{batch}").json()["callback"]["tries"]:
            return batch
        time.sleep(0.02)
    raise AssertionError("it was not tried")


def nightly(server: Server) -> str:
    return str(server.http.post("/schedules", json=NIGHTLY).raise_for_status().json()["name"])


def resumable(server: Server) -> str:
    path = f"/schedules/{nightly(server)}"
    server.http.post(f"{path}/pause").raise_for_status()
    return f"{path}/resume"


def raised(server: Server) -> str:
    """As the loop raises it."""

    async def judge() -> str:
        core = server.running.core
        state = core.ledger.alerts
        reading = Reading(TOKEN_BUDGET.id, "division/x", 0, 2**50, core.clock.now_ms(), 80, 100)
        with core.change(Changes()) as changes:
            found = state.judge(reading) or list(state.alerts.values())
            for alert in found:
                changes.put(record_of(alert))
        await core.commit(changes)
        return next(each.id for each in found if each.active)

    return f"/alerts/{server.run(judge())}/acknowledge"


def correction(server: Server) -> dict[str, str]:
    server.http.post("/usage", json={"source": "meter", "events": [USE]}).raise_for_status()
    return {"source": "meter", "id": USE["id"], "quantity": "3", "reason": "too little"}


def channel(server: Server) -> str:
    """A folder, as herder.yaml names it."""
    core = server.running.core
    rules = replace(core.settings.alerts, channels=(Channel(name="desk", folder=str(server.folder)),))
    core.settings = replace(core.settings, alerts=rules)
    return "desk"


def scheduled_report(server: Server) -> str:
    path = f"/costs/report-schedules/daily-{new_key()[:8]}"
    server.http.put(path, json={"period": "daily"}).raise_for_status()
    return path


def recommended(server: Server, **changes: Any) -> str:
    """As the loop stores it."""
    record = RecommendationRecord(
        id="opt-1", kind="resource_rightsizing", target="t", action="cpu 50m", why="w", how="h", project="p", user="u",
        pool="std", monthly_pico=str(9 * 10**12), saving_pico=str(4 * 10**12), observed=14, supporting=14, state="open",
        found_ms=1, approved_by="", approved_ms=None, begun_by="", begun_ms=None, closed_ms=None,
    )  # fmt: skip
    record = record._replace(**changes)

    async def store() -> None:
        core = server.running.core
        with core.change(Changes()) as stored:
            core.ledger.recommendations[record.id] = record
            stored.put(record)
        await core.commit(stored)

    server.run(store())
    return f"/costs/recommendations/{record.id}"


def stored_pipeline(server: Server) -> str:
    server.http.put("/pipelines/etl", json={"config": "a: 1"}).raise_for_status()
    return "/pipelines/etl"


def standing_worker(server: Server) -> str:
    return str(server.http.post("/pools/std/scale", json={"workers": 1, "ttl_s": 3600}).json()["workers"][0])


def user(server: Server) -> str:
    server.http.post("/users", json={"name": "eve"}).raise_for_status()
    return "eve"


def secret(server: Server) -> str:
    server.http.post("/secrets", json={"name": "db", "value": "x"}).raise_for_status()
    return "db"


def token_id(server: Server) -> str:
    return str(server.http.post("/tokens", json={"user": user(server)}).raise_for_status().json()["id"])


def frozen(server: Server, what: str) -> str:
    server.http.post(f"/{what}/freeze", json={}).raise_for_status()
    return f"/{what}/unfreeze"


def cordoned(server: Server) -> str:
    name = standing_worker(server)
    server.http.post(f"/workers/{name}/cordon", json={}).raise_for_status()
    return name


def missing_driver(server: Server) -> str:
    """One that has a worker, and that the server does not have any more."""
    mine = server.drivers
    server.stop()
    server.drivers = (*mine, DriverSettings(name="old", kind="pretend"))
    server.start()
    server.http.post(
        "/apply", json={"pools": [{**POOLS[0], "name": "o", "driver": "old"}]}
    ).raise_for_status()
    server.http.post("/pools/o/scale", json={"workers": 1, "ttl_s": 3600}).raise_for_status()
    server.http.delete("/pools/o").raise_for_status()
    server.stop()
    server.drivers = mine
    server.start()
    return "old"


NEW_POOLS = [{**POOLS[0], "max_workers": 5}, {**POOLS[0], "name": "new"}, POOLS[1]]


def deleting(server: Server) -> str:
    lease(server)
    server.http.delete("/budgets/a").raise_for_status()
    return "a"


def budget(server: Server, name: str = "a") -> str:
    server.http.put(f"/budgets/{name}", json={"settings": {"limit": "10"}}).raise_for_status()
    return name


def asked(server: Server) -> str:
    """By somebody else than the one who decides."""
    budget(server)
    with server.client(server.person("beggar", "operator")) as person:
        more = {"amount": "5", "reason": "r"}
        done = person.post("/budgets/a/requests", json=more).raise_for_status().json()
    return str(done["object"].partition("/")[2])


def granted(server: Server) -> str:
    body = {"from": budget(server), "to": budget(server, "b"), "amount": "2", "reason": "r"}
    return str(
        server.http.post("/budget-transfers", json=body).raise_for_status().json()["object"].partition("/")[2]
    )


def lease(server: Server) -> str:
    body = {"id": "l", "budgets": [budget(server)], "amount": "2", "lasts_s": 3600}
    return str(server.http.post("/budget-leases", json=body).raise_for_status().json()["id"])


#: By what is asked: route, and given the server what fills it (path, body).
ASKED: dict[str, tuple[str, Callable[[Server], tuple[str, Any]]]] = {
    "a job": ("POST /jobs", lambda s: ("/jobs", JOB)),
    "a batch": ("POST /batches", lambda s: ("/batches", {"name": "b", "jobs": [JOB] * 3, "commit": False})),
    "a batch that starts": ("POST /batches", lambda s: ("/batches", {"jobs": [JOB] * 3, "commit": True})),
    "jobs of a batch": (
        "POST /batches/{batch}/jobs",
        lambda s: (f"/batches/{open_batch(s)}/jobs", {"jobs": [JOB] * 4}),
    ),
    "a commit": ("POST /batches/{batch}/commit", lambda s: (f"/batches/{open_batch(s)}/commit", None)),
    "a cancelled batch": ("POST /batches/{batch}/cancel", lambda s: (f"/batches/{open_batch(s)}/cancel", {})),
    "a cancelled group": (
        "POST /batches/{batch}/groups/{path}/cancel",
        lambda s: (f"/batches/{grouped_batch(s)}/groups/a/b/cancel", {}),
    ),
    "a cancelled job": (
        "POST /jobs/{job}/cancel",
        lambda s: (f"/jobs/{s.http.post('/jobs', json=JOB).json()['first_job']}/cancel", {}),
    ),
    "a secret": ("POST /secrets", lambda s: ("/secrets", {"name": "db", "value": "x"})),
    "a new value of a secret": (
        "POST /secrets/{secret}",
        lambda s: (f"/secrets/{secret(s)}", {"value": "y"}),
    ),
    "a deleted secret": ("DELETE /secrets/{secret}", lambda s: (f"/secrets/{secret(s)}", None)),
    "a held batch": ("POST /batches/{batch}/hold", lambda s: (f"/batches/{open_batch(s)}/hold", {})),
    "a released batch": ("POST /batches/{batch}/release", lambda s: (held(s, "batches", open_batch(s)), {})),
    "a held job": ("POST /jobs/{job}/hold", lambda s: (f"/jobs/{waiting_job(s)}/hold", {})),
    "a released job": ("POST /jobs/{job}/release", lambda s: (held(s, "jobs", waiting_job(s)), {})),
    "a group again": (
        "POST /batches/{batch}/groups/{path}/retry",
        lambda s: (f"/batches/{failed_batch(s, group='a')}/groups/a/retry", None),
    ),
    "a batch again": ("POST /batches/{batch}/retry", lambda s: (f"/batches/{failed_batch(s)}/retry", None)),
    "a callback again": (
        "POST /callbacks/{batch}/retry",
        lambda s: (f"/callbacks/{called_back(s)}/retry", None),
    ),
    "a closed month": ("POST /costs/months/{month}/close", lambda s: ("/costs/months/2020-01/close", None)),
    "a schedule of reports": (
        "PUT /costs/report-schedules/{report_schedule}",
        lambda s: ("/costs/report-schedules/weekly", {"period": "weekly"}),
    ),
    "a report that was asked for": (
        "POST /costs/report-schedules/{report_schedule}/run",
        lambda s: (f"{scheduled_report(s)}/run", None),
    ),
    "a schedule of reports less": (
        "DELETE /costs/report-schedules/{report_schedule}",
        lambda s: (scheduled_report(s), None),
    ),
    "an approved recommendation": (
        "POST /costs/recommendations/{recommendation}/approve",
        lambda s: (f"{recommended(s)}/approve", None),
    ),
    "a recommendation that is carried out": (
        "POST /costs/recommendations/{recommendation}/implement",
        lambda s: (f"{recommended(s)}/implement", None),
    ),
    "a channel that is tried": (
        "POST /alerts/channels/test",
        lambda s: ("/alerts/channels/test", {"channel": channel(s)}),
    ),
    "a recommendation that is rolled back": (
        "POST /costs/recommendations/{recommendation}/roll-back",
        lambda s: (f"{recommended(s, state='implemented', begun_ms=1)}/roll-back", None),
    ),
    "an acknowledged alert": ("POST /alerts/{alert}/acknowledge", lambda s: (raised(s), None)),
    "rates": (
        "POST /rates",
        lambda s: ("/rates", {"rates": [{"card": "c", "resource": "cpu", "price": "0.05"}]}),
    ),
    "use": ("POST /usage", lambda s: ("/usage", {"source": "meter", "events": [USE]})),
    "use of models": (
        "POST /usage/tokens",
        lambda s: ("/usage/tokens", {"source": "gateway", "requests": [REQUEST]}),
    ),
    "a correction of use": ("POST /usage/corrections", lambda s: ("/usage/corrections", correction(s))),
    "a pipeline": ("PUT /pipelines/{pipeline}", lambda s: ("/pipelines/etl", {"config": "a: 1"})),
    "a deleted pipeline": ("DELETE /pipelines/{pipeline}", lambda s: (stored_pipeline(s), None)),
    "a budget": ("PUT /budgets/{budget}", lambda s: ("/budgets/b", {"settings": {"limit": "5"}})),
    "a budget less": ("DELETE /budgets/{budget}", lambda s: (f"/budgets/{budget(s)}", None)),
    "a budget kept": ("POST /budgets/{budget}/keep", lambda s: (f"/budgets/{deleting(s)}/keep", None)),
    "more for a budget": (
        "POST /budgets/{budget}/requests",
        lambda s: (f"/budgets/{budget(s)}/requests", {"amount": "50", "reason": "r"}),
    ),
    "a reallocation": (
        "POST /budget-transfers",
        lambda s: (
            "/budget-transfers",
            {"from": budget(s), "to": budget(s, "b"), "amount": "2", "reason": "r"},
        ),
    ),
    "an approval": (
        "POST /budget-transfers/{transfer}/approve",
        lambda s: (f"/budget-transfers/{asked(s)}/approve", {"message": "m"}),
    ),
    "a rejection": (
        "POST /budget-transfers/{transfer}/reject",
        lambda s: (f"/budget-transfers/{asked(s)}/reject", {}),
    ),
    "what is taken back": (
        "POST /budget-transfers/{transfer}/take-back",
        lambda s: (f"/budget-transfers/{granted(s)}/take-back", {}),
    ),
    "a lease on a budget": (
        "POST /budget-leases",
        lambda s: ("/budget-leases", {"id": "l", "budgets": [budget(s)], "amount": "2", "lasts_s": 3600}),
    ),
    "a renewed lease": (
        "PUT /budget-leases/{lease}",
        lambda s: (f"/budget-leases/{lease(s)}", {"number": 1, "cost": "1", "amount": "2", "lasts_s": 3600}),
    ),
    "a settled lease": (
        "POST /budget-leases/{lease}/settle",
        lambda s: (f"/budget-leases/{lease(s)}/settle", {"cost": "1"}),
    ),
    "a schedule": ("POST /schedules", lambda s: ("/schedules", NIGHTLY)),
    "a paused schedule": (
        "POST /schedules/{schedule}/pause",
        lambda s: (f"/schedules/{nightly(s)}/pause", None),
    ),
    "a resumed schedule": ("POST /schedules/{schedule}/resume", lambda s: (resumable(s), None)),
    "a schedule run": ("POST /schedules/{schedule}/run", lambda s: (f"/schedules/{nightly(s)}/run", None)),
    "a deleted schedule": ("DELETE /schedules/{schedule}", lambda s: (f"/schedules/{nightly(s)}", None)),
    "a deleted batch": ("DELETE /batches/{batch}", lambda s: (f"/batches/{ended_batch(s)}", None)),
    "a closed batch": ("POST /batches/{batch}/close", lambda s: (f"/batches/{kept_open(s)}/close", None)),
    "a job again": (
        "POST /jobs/{job}/retry",
        lambda s: (f"/jobs/{ended_job(s)}/retry", None),
    ),
    "pools": (
        "POST /apply",
        lambda s: ("/apply", {"pools": NEW_POOLS, "sharing": {"projects": [{"name": "p"}]}}),
    ),
    "workers": ("POST /pools/{pool}/scale", lambda s: ("/pools/std/scale", {"workers": 3, "ttl_s": 3600})),
    "a cordoned worker": (
        "POST /workers/{worker}/cordon",
        lambda s: (f"/workers/{standing_worker(s)}/cordon", {}),
    ),
    "an uncordoned worker": (
        "POST /workers/{worker}/uncordon",
        lambda s: (f"/workers/{cordoned(s)}/uncordon", {}),
    ),
    "an extension": (
        "POST /workers/{worker}/extend",
        lambda s: (f"/workers/{standing_worker(s)}/extend", {"extend_s": 3600}),
    ),
    "a worker that drains": (
        "POST /workers/{worker}/drain",
        lambda s: (f"/workers/{standing_worker(s)}/drain", {}),
    ),
    "a worker that goes": (
        "POST /workers/{worker}/remove",
        lambda s: (f"/workers/{standing_worker(s)}/remove", {}),
    ),
    "a frozen pool": ("POST /pools/{pool}/freeze", lambda s: ("/pools/big/freeze", {})),
    "a pool again": ("POST /pools/{pool}/unfreeze", lambda s: (frozen(s, "pools/big"), {})),
    "a pool less": ("DELETE /pools/{pool}", lambda s: ("/pools/big", None)),
    "a pool with workers less": (
        "DELETE /pools/{pool}",
        lambda s: ("/pools/std", None) if standing_worker(s) else ("", None),
    ),
    "a user": ("POST /users", lambda s: ("/users", {"name": "ann", "role": "operator"})),
    "a changed user": ("POST /users/{user}", lambda s: (f"/users/{user(s)}", {"weight": 5})),
    "a user less": ("DELETE /users/{user}", lambda s: ("/users/eve", None) if token_id(s) else ("", None)),
    "a token": ("POST /tokens", lambda s: ("/tokens", {"user": user(s), "note": "n", "expires_in_s": 7200})),
    "a token to join": (
        "POST /pools/{pool}/join-tokens",
        lambda s: ("/pools/big/join-tokens", {"uses": 2, "note": "n", "expires_in_s": 7200}),
    ),
    "a token less": ("DELETE /tokens/{token}", lambda s: (f"/tokens/{token_id(s)}", None)),
    "a frozen driver": ("POST /drivers/{driver}/freeze", lambda s: ("/drivers/pretend/freeze", {})),
    "a driver again": ("POST /drivers/{driver}/unfreeze", lambda s: (frozen(s, "drivers/pretend"), {})),
    "machines of no worker": (
        "POST /drivers/{driver}/sweep",
        lambda s: ("/drivers/pretend/sweep", {"action": "remove"}),
    ),
    "a driver less": (
        "POST /drivers/{driver}/forget",
        lambda s: (f"/drivers/{missing_driver(s)}/forget", {}),
    ),
}


def test_every_write_is_tried() -> None:
    front = front_of(None)  # type: ignore[arg-type]
    writes = {f"{each.method.upper()} {each.path}" for each in front.operations if each.writes}
    assert writes == {route for route, _ in ASKED.values()}


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
    users = server.http.get("/users").json()["items"]
    tokens = server.http.get("/tokens", params={"all": "true"}).json()["items"]
    return jobs, workers, (sorted(events), users, [(token["id"], token["state"]) for token in tokens])


#: They are told as they are now, not as they were.
OF_NOW = {"state", "counts", "text", "ended_at", "reasons", "server_url", "notes"}


#: Of the routes that take it, the same key for another request; others take no such parameter.
DRY = {
    f"{each.method.upper()} {each.path}": 409 for each in front_of(None).operations if "dry_run" in each.query
}  # type: ignore[arg-type]


def told(answer: httpx.Response) -> dict[str, Any]:
    plain = answer.raise_for_status().json()
    return {name: value for name, value in plain.items() if name not in OF_NOW}


@pytest.mark.parametrize("what", list(ASKED))
def test_the_same_request_again_acts_once(server: Server, what: str) -> None:
    route, asked = ASKED[what]
    method = route.partition(" ")[0]
    path, body = asked(server)
    first = send(server, method, path, body, "one")
    after = world(server)
    assert told(send(server, method, path, body, "one")) == told(first)
    server.restart()
    again = send(server, method, path, body, "one")
    assert told(again) == told(first)
    assert set(again.json()) == set(first.json())
    assert world(server)[0::2] == after[0::2]
    assert send(server, method, f"{path}?dry_run=false", body, "one").status_code == DRY.get(route, 422)
    if body is not None:
        other = {"content": msgspec.json.encode(body) + b" ", "headers": {"Idempotency-Key": "one"}}
        assert server.http.request(method, path, **other).status_code == 409
    assert world(server)[0::2] == after[0::2]
    assert server.http.get("/invariants").json() == {"violations": []}


def test_a_decision_about_machines_is_answered_in_the_same_words(server: Server) -> None:
    """Its event says more than the answer."""
    asked = ("POST", "/drivers/pretend/sweep", {"action": "remove", "message": "Left over."}, "one")
    first = send(server, *asked).raise_for_status().json()
    assert send(server, *asked).raise_for_status().json() == first
    (event,) = server.http.get("/events?kind=driver.unknown_machines").json()["items"]
    assert event["text"] == f"{first['text']} Left over."


def test_a_token_that_was_revoked_is_not_told_again_and_stays_revoked(server: Server) -> None:
    made = send(server, "POST", "/tokens", {"note": "n"}, "one").raise_for_status().json()
    server.http.delete(f"/tokens/{made['id']}").raise_for_status()
    refused = send(server, "POST", "/tokens", {"note": "n"}, "one")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "revoked" in refused.json()["detail"]
    with server.client(made["token"]) as its:
        assert its.get("/whoami").status_code == 401


def test_a_token_that_may_less_is_not_told_the_one_that_may_more(server: Server) -> None:
    made = send(server, "POST", "/tokens", {}, "one").raise_for_status().json()
    assert made["role"] == "administrator"
    narrow = server.http.post("/tokens", json={"role": "user"}).raise_for_status().json()["token"]
    with server.client(narrow) as its:
        answer = its.post("/tokens", json={}, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 403


def test_a_user_whom_a_repeated_request_made_may_have_gone(server: Server) -> None:
    send(server, "POST", "/users", {"name": "ann"}, "one").raise_for_status()
    server.http.delete("/users/ann").raise_for_status()
    gone = send(server, "POST", "/users", {"name": "ann"}, "one")
    assert gone.status_code == 404
    assert "deleted since" in gone.json()["detail"]


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
    monkeypatch.setattr(idempotency, "RECENT_MAX", 1)
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
    core.now = start + 5 * idempotency.SKEW_MS
    assert looks(known, core, timed(core.now)) == 0
    assert looks(known, core, timed(core.now - 2 * idempotency.SKEW_MS)) == 1, (
        "an old key, or a clock that is off"
    )
    assert looks(known, core, timed(core.now + 2 * idempotency.SKEW_MS)) == 1, "a clock that is off"
    assert looks(known, core, "somebody's own") == 1
    assert looks(known, core, f"t-{core.now:x}-short") == 1


def test_our_clients_keys_are_such() -> None:
    assert idempotency._TIMED.fullmatch(new_key())
    assert new_key() != new_key()


def test_the_filter_never_denies_what_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "FILTER_KEYS", 1000)
    monkeypatch.setattr(idempotency, "FILTER_BITS", 10_000)
    monkeypatch.setattr(idempotency, "RECENT_MAX", 1)
    start = 1_700_000_000_000
    known, core = Requests(), Reads(start)
    at = start + 10 * idempotency.SKEW_MS
    looks(known, core, timed(start))
    for number in range(2900):
        keep(known, timed(at + number, number), at + number)
    core.now = at + 2900
    missed = [n for n in range(2899) if known._is_new(f"ann/{timed(at + n, n)}", timed(at + n, n), core.now)]
    assert missed == []
    later = core.now + 10 * idempotency.SKEW_MS
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
