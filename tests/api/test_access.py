"""Who may do what: no token, wrong tokens, roles, workers' tokens; idempotency keys; the OpenAPI document; starting and stopping."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.ledger.totals import Spent
from herder.server.options import ServerOptions, StartError
from herder.server.runtime import serve
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

#: Users of the role `user` stand towards the jobs of `owner` as: themselves, a stranger, members of the project.
CALLERS = ("viewer", "owner", "other", "mate", "watch", "operator", "administrator")
ROLE_OF = {"viewer": "viewer", "operator": "operator", "administrator": "administrator"}
PROJECT = {"alpha": {"users": {"owner": "user", "mate": "user", "watch": "viewer"}}}

ALL = dict.fromkeys(CALLERS, 200)
OPERATORS = {**dict.fromkeys(CALLERS, 403), "operator": 200, "administrator": 200}
ADMINISTRATORS = {**dict.fromkeys(CALLERS, 403), "administrator": 200}
USERS = {**ALL, "viewer": 403}
#: What belongs to `owner` and project alpha: to be seen, and to be changed.
SEE = {**ALL, "viewer": 404, "other": 404}
CHANGE = {**ALL, "viewer": 403, "other": 404, "watch": 403}

#: Every route with the least role for it, and what each caller gets. 200: not refused for want of a right. New routes go here.
ROUTES: dict[tuple[str, str], tuple[str, dict[str, int]]] = {
    ("get", "/batches"): ("viewer", ALL),
    ("post", "/batches"): ("user", USERS),
    ("get", "/batches/{batch}"): ("viewer", SEE),
    ("delete", "/batches/{batch}"): ("user", CHANGE),
    ("post", "/batches/{batch}/jobs"): ("user", CHANGE),
    ("post", "/batches/{batch}/commit"): ("user", CHANGE),
    ("post", "/batches/{batch}/cancel"): ("user", CHANGE),
    ("get", "/batches/{batch}/wait"): ("viewer", SEE),
    ("get", "/batches/{batch}/groups"): ("viewer", SEE),
    ("get", "/batches/{batch}/groups/{path}"): ("viewer", SEE),
    ("post", "/batches/{batch}/groups/{path}/cancel"): ("user", CHANGE),
    ("post", "/batches/{batch}/groups/{path}/retry"): ("user", CHANGE),
    **{("post", f"/batches/{{batch}}/{verb}"): ("user", CHANGE) for verb in ("hold", "release", "retry", "close")},
    ("get", "/callbacks"): ("viewer", ALL),
    ("get", "/callbacks/secret"): ("user", USERS),
    ("post", "/callbacks/{batch}/retry"): ("user", CHANGE),
    **{("get", f"/{path}"): ("viewer", ALL) for path in ("budgets", "budgets/{budget}", "budgets/{budget}/forecast", "budget-leases", "budget-leases/{lease}", "budget-transfers")},
    ("put", "/budgets/{budget}"): ("operator", OPERATORS),
    ("delete", "/budgets/{budget}"): ("administrator", ADMINISTRATORS),
    ("post", "/budgets/{budget}/keep"): ("operator", OPERATORS),
    ("post", "/budgets/{budget}/requests"): ("user", USERS),
    ("post", "/budget-leases"): ("user", USERS),
    ("put", "/budget-leases/{lease}"): ("user", USERS),
    ("post", "/budget-leases/{lease}/settle"): ("user", USERS),
    ("post", "/budget-transfers"): ("user", USERS),
    **{("post", f"/budget-transfers/{{transfer}}/{verb}"): ("user", USERS) for verb in ("approve", "reject", "take-back")},
    ("get", "/schedules"): ("viewer", ALL),
    ("post", "/schedules"): ("user", USERS),
    ("get", "/schedules/{schedule}"): ("viewer", SEE),
    ("delete", "/schedules/{schedule}"): ("user", CHANGE),
    **{("post", f"/schedules/{{schedule}}/{verb}"): ("user", CHANGE) for verb in ("pause", "resume", "run")},
    **{("get", f"/costs/{name}"): ("viewer", ALL) for name in ("report", "invoice", "export")},
    ("get", "/pipelines"): ("viewer", ALL),
    ("get", "/pipelines/{pipeline}"): ("viewer", SEE),
    ("put", "/pipelines/{pipeline}"): ("user", USERS),
    ("delete", "/pipelines/{pipeline}"): ("user", CHANGE),
    ("get", "/jobs"): ("viewer", ALL),
    ("post", "/jobs"): ("user", USERS),
    ("get", "/jobs/{job}"): ("viewer", SEE),
    ("get", "/jobs/{job}/wait"): ("viewer", SEE),
    ("get", "/jobs/ended"): ("viewer", SEE),
    ("get", "/jobs/{job}/explain"): ("viewer", SEE),
    ("get", "/jobs/{job}/logs"): ("viewer", SEE),
    ("post", "/jobs/{job}/cancel"): ("user", CHANGE),
    ("post", "/jobs/{job}/retry"): ("user", CHANGE),
    **{("post", f"/jobs/{{job}}/{verb}"): ("user", CHANGE) for verb in ("hold", "release")},
    ("get", "/status"): ("viewer", ALL),
    ("get", "/pools"): ("viewer", ALL),
    ("get", "/pools/{pool}"): ("viewer", ALL),
    ("get", "/pools/{pool}/why"): ("viewer", ALL),
    ("get", "/pods/{namespace}/{pod}/why"): ("viewer", ALL),
    ("post", "/apply"): ("operator", OPERATORS),
    ("post", "/pools/{pool}/scale"): ("operator", OPERATORS),
    ("post", "/pools/{pool}/join-tokens"): ("operator", OPERATORS),
    ("post", "/pools/{pool}/freeze"): ("operator", OPERATORS),
    ("post", "/pools/{pool}/unfreeze"): ("operator", OPERATORS),
    ("delete", "/pools/{pool}"): ("administrator", ADMINISTRATORS),
    ("get", "/workers"): ("viewer", ALL),
    ("get", "/workers/{worker}"): ("viewer", ALL),
    ("get", "/workers/{worker}/why"): ("viewer", ALL),
    ("get", "/workers/{worker}/health"): ("viewer", ALL),
    ("get", "/workers/{worker}/console"): ("operator", OPERATORS),
    ("get", "/workers/{worker}/logs"): ("operator", OPERATORS),
    ("get", "/workers/{worker}/operations"): ("operator", OPERATORS),
    **{
        ("post", f"/workers/{{worker}}/{verb}"): ("operator", OPERATORS)
        for verb in ("cordon", "uncordon", "drain", "extend", "remove")
    },
    ("get", "/drivers"): ("viewer", ALL),
    ("get", "/drivers/{driver}"): ("viewer", ALL),
    ("get", "/drivers/{driver}/check"): ("operator", OPERATORS),
    ("get", "/drivers/{driver}/import"): ("operator", OPERATORS),
    ("get", "/drivers/{driver}/sweep"): ("operator", OPERATORS),
    ("post", "/drivers/{driver}/sweep"): ("operator", OPERATORS),
    ("post", "/drivers/{driver}/freeze"): ("operator", OPERATORS),
    ("post", "/drivers/{driver}/unfreeze"): ("operator", OPERATORS),
    ("post", "/drivers/{driver}/forget"): ("administrator", ADMINISTRATORS),
    ("get", "/offers"): ("viewer", ALL),
    ("get", "/rates"): ("viewer", ALL),
    ("get", "/costs"): ("viewer", ALL),
    ("get", "/costs/lines"): ("viewer", ALL),
    ("get", "/costs/lines/{line}"): ("viewer", dict.fromkeys(CALLERS, 404)),
    ("get", "/costs/months"): ("viewer", ALL),
    ("get", "/costs/months/{month}/preview"): ("administrator", ADMINISTRATORS),
    ("get", "/costs/change"): ("viewer", ALL),
    ("get", "/costs/roi"): ("viewer", ALL),
    ("get", "/costs/recommendations"): ("viewer", ALL),
    ("get", "/costs/recommendations/{recommendation}"): ("viewer", dict.fromkeys(CALLERS, 404)),
    ("get", "/costs/recommendations/{recommendation}/results"): ("viewer", dict.fromkeys(CALLERS, 404)),
    ("post", "/costs/recommendations/{recommendation}/approve"): ("administrator", ADMINISTRATORS),
    ("post", "/costs/recommendations/{recommendation}/implement"): ("operator", OPERATORS),
    ("post", "/costs/recommendations/{recommendation}/roll-back"): ("operator", OPERATORS),
    ("post", "/costs/months/{month}/close"): ("administrator", ADMINISTRATORS),
    ("get", "/costs/reports"): ("viewer", ALL),
    ("get", "/costs/reports/{report}"): ("viewer", dict.fromkeys(CALLERS, 404)),
    ("get", "/costs/report-schedules"): ("viewer", ALL),
    ("get", "/costs/report-schedules/{report_schedule}"): ("viewer", dict.fromkeys(CALLERS, 404)),
    ("put", "/costs/report-schedules/{report_schedule}"): ("administrator", ADMINISTRATORS),
    ("post", "/costs/report-schedules/{report_schedule}/run"): ("administrator", ADMINISTRATORS),
    ("delete", "/costs/report-schedules/{report_schedule}"): ("administrator", ADMINISTRATORS),
    ("get", "/rates/{rate}"): ("viewer", ALL),
    ("post", "/rates"): ("operator", OPERATORS),
    ("get", "/usage"): ("viewer", ALL),
    ("post", "/usage"): ("user", USERS),
    ("post", "/usage/tokens"): ("user", USERS),
    ("post", "/usage/corrections"): ("user", {**dict.fromkeys(CALLERS, 403), "operator": 404, "administrator": 404}),
    ("get", "/bootstraps"): ("viewer", ALL),
    ("get", "/bootstraps/{bootstrap}/check"): ("operator", OPERATORS),
    ("get", "/clusters"): ("viewer", ALL),
    ("get", "/clusters/{cluster}"): ("viewer", ALL),
    ("get", "/clusters/{cluster}/check"): ("operator", OPERATORS),
    ("get", "/pools/{pool}/scheduling-info"): ("viewer", ALL),
    ("get", "/plans"): ("viewer", ALL),
    ("get", "/plans/next"): ("viewer", ALL),
    ("get", "/plans/{plan}"): ("viewer", ALL),
    ("get", "/alerts"): ("viewer", ALL),
    ("get", "/alerts/history"): ("viewer", ALL),
    ("get", "/alerts/policies"): ("viewer", ALL),
    ("get", "/alerts/channels"): ("viewer", ALL),
    ("post", "/alerts/channels/test"): ("operator", {**OPERATORS, "operator": 404, "administrator": 404}),
    ("get", "/alerts/{alert}"): ("viewer", ALL),
    ("post", "/alerts/{alert}/acknowledge"): ("operator", OPERATORS),
    ("get", "/events"): ("viewer", ALL),
    ("get", "/events/stream"): ("viewer", ALL),
    ("get", "/invariants"): ("operator", OPERATORS),
    ("get", "/whoami"): ("viewer", ALL),
    ("get", "/projects"): ("viewer", ALL),
    ("get", "/job-types"): ("viewer", ALL),
    ("get", "/users"): ("viewer", ALL),
    ("post", "/users"): ("administrator", ADMINISTRATORS),
    ("post", "/users/{user}"): ("administrator", ADMINISTRATORS),
    ("delete", "/users/{user}"): ("administrator", ADMINISTRATORS),
    ("get", "/secrets"): ("viewer", ALL),
    ("post", "/secrets"): ("user", USERS),
    ("get", "/secrets/{secret}"): ("viewer", {**SEE, "operator": 404}),
    ("post", "/secrets/{secret}"): ("user", {**CHANGE, "operator": 404, "administrator": 403}),
    ("delete", "/secrets/{secret}"): ("user", {**CHANGE, "operator": 404}),
    ("get", "/tokens"): ("viewer", ALL),
    ("post", "/tokens"): ("viewer", {**dict.fromkeys(CALLERS, 403), "owner": 200, "administrator": 200}),
    ("delete", "/tokens/{token}"): ("viewer", {**dict.fromkeys(CALLERS, 404), "owner": 200, "administrator": 200}),
}  # fmt: skip
BODIES: dict[str, Any] = {
    "/alerts/channels/test": {"channel": "none"},
    "/batches/{batch}/jobs": {"jobs": []},
    "/jobs": {"runtime": "noop"},
    "/schedules": {"name": "", "cron": "", "batch": {}},
    "/pipelines/{pipeline}": {"config": ""},
    "/apply": {"pools": []},
    "/budgets/{budget}": {"settings": {}},
    "/budgets/{budget}/requests": {"amount": "1", "reason": "r"},
    "/budget-leases": {"id": "none", "budgets": ["none"], "amount": "1", "lasts_s": 60},
    "/budget-leases/{lease}": {"number": 1, "cost": "0", "amount": "1", "lasts_s": 60},
    "/budget-leases/{lease}/settle": {"cost": "0"},
    "/budget-transfers": {"from": "none", "to": "none", "amount": "1", "reason": "r"},
    "/pools/{pool}/scale": {"workers": 0},
    "/rates": {"rates": []},
    "/usage": {"source": "meter", "events": []},
    "/usage/tokens": {"source": "meter"},
    "/usage/corrections": {"source": "meter", "id": "none", "quantity": "1", "reason": "r"},
    "/users": {"name": "not a name"},
    "/users/{user}": {},
    "/tokens": {"user": "owner"},
    "/secrets": {"name": "not a name", "value": "x"},
    "/secrets/{secret}": {"value": "x"},
}
NUMBERS = count()
NOOP = {"runtime": "noop", "cpu": 8, "pool": "big", "env": {"SECRET": "owners own"}}


@pytest.fixture(scope="module")
def people(server: Server) -> Iterator[dict[str, httpx.Client]]:
    made = {name: server.client(server.person(name, ROLE_OF.get(name, "user"))) for name in CALLERS}
    shared = {"pools": [], "sharing": {"projects": PROJECT}}
    server.http.post("/apply", json=shared).raise_for_status()
    yield made
    for client in made.values():
        client.close()


#: What a route needs in its address.
QUERIES = {
    "/costs/invoice": "?month=2026-11&project=none",
    "/jobs/ended": "?timeout_s=0&jobs={job}",
}


def concrete(path: str, owner: httpx.Client | None = None) -> str:
    """With what belongs to `owner`, made anew; without one with what is not there."""
    path += QUERIES.get(path, "")
    if owner is not None and "{schedule}" in path:
        body = {
            "name": f"s{time.monotonic_ns()}",
            "cron": "0 2 * * *",
            "batch": {"jobs": [NOOP], "project": "alpha"},
        }
        path = path.replace(
            "{schedule}", owner.post("/schedules", json=body).raise_for_status().json()["name"]
        )
    if owner is not None and "{pipeline}" in path:
        path = path.replace("{pipeline}", f"p{next(NUMBERS)}")
        owner.put(path, json={"config": "a: 1", "project": "alpha"}).raise_for_status()
    if owner is not None and path.startswith("/callbacks/"):
        path = path.replace("{batch}", str(called_back(owner)))
    if owner is not None and "{batch}" in path:
        path = path.replace(
            "{batch}", str(owner.post("/batches", json={"project": "alpha", "jobs": [NOOP]}).json()["id"])
        )
    if owner is not None and "{job}" in path:
        job = owner.post("/jobs", json={**NOOP, "project": "alpha"}).json()["first_job"]
        path = path.replace("{job}", str(job))
    if owner is not None and "{token}" in path:
        path = path.replace("{token}", owner.post("/tokens", json={}).json()["id"])
    if owner is not None and "{secret}" in path:
        made = {"name": f"s{next(NUMBERS)}", "value": "x", "project": "alpha"}
        name = owner.post("/secrets", json=made).raise_for_status().json()["name"]
        path = path.replace("{secret}", f"{name}?project=alpha")
    for name, value in (
        ("secret", "nobody"),
        ("batch", "77777"),
        ("path", "none"),
        ("job", "77777"),
        ("schedule", "none"),
        ("budget", "none"),
        ("lease", "none"),
        ("transfer", "77777"),
        ("pipeline", "none"),
        ("pool", "none"),
        ("worker", "none"),
        ("driver", "none"),
        ("rate", "none"),
        ("line", "none"),
        ("month", "2020-01"),
        ("bootstrap", "none"),
        ("cluster", "none"),
        ("namespace", "none"),
        ("pod", "none"),
        ("alert", "none"),
        ("recommendation", "none"),
        ("report", "none"),
        ("report_schedule", "none"),
        ("plan", "77777"),
        ("user", "nobody"),
        ("token", "0123456789ab"),
    ):
        path = path.replace(f"{{{name}}}", value)
    return path


def called_back(owner: httpx.Client) -> int:
    """A batch whose callback could not be delivered: there is no such host."""
    more = {"commit": True, "callback": "https://nowhere.invalid/"}
    batch = int(owner.post("/batches", json={"project": "alpha", "jobs": [NOOP], **more}).json()["id"])
    owner.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    for _ in range(1000):
        if owner.get(f"/batches/{batch}").json()["callback"]["tries"]:
            return batch
        time.sleep(0.02)
    raise AssertionError("it was not tried")


def test_the_document_names_every_route(api: httpx.Client, server: Server) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    said = {(m, p.removeprefix("/api/v1")) for p, methods in document["paths"].items() for m in methods}
    assert said == set(ROUTES)
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}:
        assert reference in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path
            assert operation["summary"]
            least, _ = ROUTES[method, path.removeprefix("/api/v1")]
            assert f"role {least}" in operation["description"]
    identifiers = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_each_route_answers_each_caller_as_the_table_says(
    people: dict[str, httpx.Client], server: Server, refused: Refusal, method: str, path: str
) -> None:
    least, expected = ROUTES[method, path]
    with server.client() as nobody, server.client("wrong") as wrong:
        for client in (nobody, wrong):
            assert refused(401, method, concrete(path), client)["hint"]
    for name, client in people.items():
        url, body = (
            concrete(path, people["owner"]),
            None if method not in ("post", "put") else BODIES.get(path, {}),
        )
        if path == "/events/stream":
            with client.stream("GET", url) as answer:
                assert answer.status_code == 200
            continue
        if (method, path) == ("delete", "/batches/{batch}"):
            people["owner"].post(f"{url}/cancel", json={}).raise_for_status()
        if path.endswith("/wait"):
            url += "?timeout_s=0"
        answer = client.request(method, url, json=body) if body is not None else client.request(method, url)
        if expected[name] == 200:
            assert answer.status_code not in (401, 403), (name, answer.text)
            assert (
                answer.status_code == 200
                or "none" in url
                or "nobody" in url
                or body is not None
                or "777" in url
                or "has no output yet" in answer.text
            ), (
                name,
                answer.text,
            )
        else:
            assert answer.status_code == expected[name], (name, answer.text)
            detail = answer.json()["detail"]
            assert "owner" not in detail or expected[name] == 403, "what one may not know of is not told"
        if expected[name] == 403 and name == "viewer" and least != "viewer":
            assert f"needs the role {least}" in answer.json()["detail"]


def test_what_one_may_not_know_of_is_told_as_what_is_not_there(
    people: dict[str, httpx.Client], refused: Refusal
) -> None:
    for path in ("/jobs/{job}", "/jobs/{job}/logs", "/batches/{batch}"):
        hidden, missing = concrete(path, people["owner"]), concrete(path)
        told = refused(404, "GET", hidden, people["other"])["detail"]
        number = next(part for part in hidden.split("/") if part.isdigit())
        assert told == refused(404, "GET", missing, people["other"])["detail"].replace("77777", number)


def test_lists_hold_what_single_reads_answer_and_nothing_else(
    people: dict[str, httpx.Client], server: Server
) -> None:
    jobs, batches = {}, {}
    for name in ("owner", "other", "mate", "operator"):
        project = "default" if name == "other" else "alpha"
        jobs[name] = people[name].post("/jobs", json={**NOOP, "project": project}).json()["first_job"]
        made = people[name].post("/batches", json={"project": project, "jobs": [NOOP, NOOP]}).json()["id"]
        batches[name] = made
    for name, client in people.items():
        listed = {job["id"] for job in all_of(client, "/jobs")}
        opened = {batch["id"] for batch in all_of(client, "/batches")}
        for owner, job in jobs.items():
            assert (job in listed) == (client.get(f"/jobs/{job}").status_code == 200), (name, owner)
            batch = batches[owner]
            sees = client.get(f"/batches/{batch}").status_code == 200
            assert (batch in opened) == sees, (name, owner)
            assert client.get("/jobs", params={"batch": batch}).status_code == (200 if sees else 404)
            of_owner = {each["user"] for each in all_of(client, "/jobs", user=owner)}
            assert of_owner <= {owner}
            assert bool(of_owner) == (job in listed), (name, owner)
    everything = {job["id"] for job in all_of(people["operator"], "/jobs")}
    assert set(jobs.values()) <= everything
    assert all_of(people["viewer"], "/jobs") == all_of(people["viewer"], "/batches") == []


def all_of(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = client.get(path, params={**query, "limit": 20, **({"after": after} if after else {})}).json()
        found += page["items"]
        after = page["next"]
        if after is None:
            assert len({each["id"] for each in found}) == len(found)
            return found


def test_events_of_jobs_are_their_owners_and_those_of_the_fleet_everybodys(
    people: dict[str, httpx.Client], server: Server
) -> None:
    start = (
        people["operator"].get("/events", params={"newest": True, "limit": 1}).json()["items"][0]["sequence"]
    )
    job = concrete("/jobs/{job}", people["owner"])
    people["owner"].post(f"{job}/cancel", json={"message": "a private word"}).raise_for_status()
    server.http.post("/pools/big/freeze", json={}).raise_for_status()
    server.http.post("/pools/big/unfreeze", json={}).raise_for_status()
    for name, client in people.items():
        items = client.get("/events", params={"after": start, "limit": 1000}).json()["items"]
        kinds = {each["kind"] for each in items}
        assert "pool.frozen" in kinds
        assert ("job.cancelled" in kinds) == (name not in ("viewer", "other")), name
        with client.stream("GET", "/events/stream", params={"after": start}) as answer:
            seen = ""
            for line in answer.iter_lines():
                seen += line
                if "pool.unfrozen" in line and line.startswith("data"):
                    break
        assert ("a private word" in seen) == (name not in ("viewer", "other")), name


def test_what_others_have_spent_is_not_told(people: dict[str, httpx.Client], server: Server) -> None:
    def text(client: httpx.Client) -> str:
        return client.get(server.running.url + "/metrics").raise_for_status().text

    usage = server.running.core.ledger.accounts
    usage["owner", "alpha", "big"] = Spent(attempts=3, cost_pico=10**12)  # type: ignore[index]
    try:
        for name, client in people.items():
            told = name in ("owner", "operator", "administrator")
            assert ("owner" in client.get("/status").json()["spend_by_user"]) == told, name
            assert ('user="owner"' in text(client)) == (told or name in ("mate", "watch")), name
            users = {each["name"] for each in client.get("/users").json()["items"]}
            assert users == {name} or (name in ("operator", "administrator") and users > set(CALLERS))
    finally:
        del usage["owner", "alpha", "big"]  # type: ignore[arg-type]


def test_a_project_takes_work_of_its_members_and_only_projects_there_are(
    people: dict[str, httpx.Client], refused: Refusal
) -> None:
    for path in ("/jobs", "/batches"):
        said = refused(422, "POST", path, people["owner"], json={"project": "nope"})
        assert (said["field"], "alpha" in said["hint"]) == ("project", True)
        for name in ("other", "watch"):
            assert (
                "is not a member of project alpha with the role user"
                in refused(403, "POST", path, people[name], json={"project": "alpha"})["detail"]
            )
    for name in ("owner", "mate", "operator"):
        assert people[name].post("/jobs", json={**NOOP, "project": "alpha"}).status_code == 200
    assert people["other"].post("/jobs", json=NOOP).status_code == 200


def test_priorities_above_0_are_for_operators_or_of_a_class_that_allows_them(
    people: dict[str, httpx.Client], server: Server, refused: Refusal
) -> None:
    classes = {"soon": {"value": 10}, "now": {"value": 20, "role": "operator"}}
    shared = {"pools": [], "sharing": {"priority_classes": classes}}
    server.http.post("/apply", json=shared).raise_for_status()
    for priority in (-5, 0, 10, "soon"):
        assert people["owner"].post("/jobs", json={**NOOP, "priority": priority}).status_code == 200, priority
    for priority in (1, 20, "now", 1_000_000):
        # An operator's right is not remembered with the class of the job.
        assert people["operator"].post("/jobs", json={**NOOP, "priority": priority}).status_code == 200
        said = refused(403, "POST", "/jobs", people["owner"], json={**NOOP, "priority": priority})
        assert "needs the role operator" in said["detail"]
    none = {"pools": [], "sharing": {"priority_classes": {}}}
    server.http.post("/apply", json=none).raise_for_status()


def test_jobs_that_an_operator_adds_to_a_batch_are_its_owners(people: dict[str, httpx.Client]) -> None:
    batch = people["owner"].post("/batches", json={}).json()["id"]
    added = people["operator"].post(f"/batches/{batch}/jobs", json={"jobs": [NOOP]}).json()
    assert people["owner"].get(f"/jobs/{added['first_job']}").json()["user"] == "owner"


def test_tokens_of_workers_and_of_people_open_nothing_of_the_other(
    server: Server, worker: PlayedWorker, refused: Refusal
) -> None:
    for method, path in sorted(ROUTES):
        refused(401, method, concrete(path), worker.http)
    body = {"number": 1, "wait": False}
    refused(401, "POST", "/worker/exchange", json=body)
    with server.client(worker.activation_token) as activation:
        refused(401, "POST", "/worker/exchange", activation, json=body)
        refused(401, "POST", "/worker/activate", activation, json={"nonce": "of another process"})
        refused(401, "POST", "/worker/activate", activation, json={"nonce": ""})
        refused(401, "GET", "/status", activation)
        assert activation.post("/worker/activate", json={"nonce": "n"}).json()["token"] == worker.token
    refused(401, "POST", "/worker/activate", worker.http, json={"nonce": "n"})


def test_a_token_must_come_as_a_bearer(server: Server) -> None:
    token = server.running.token
    for said in (token, f"Basic {token}", f"Bearer {token}x", "Bearer"):
        with server.client() as client:
            answer = client.get("/status", headers={"Authorization": said})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
    with server.client() as client:
        assert client.get(f"/status?token={token}").status_code == 401
        assert client.get("/status", headers={"Authorization": f"bearer {token}"}).status_code == 200
        assert client.get(server.running.url + "/metrics").status_code == 401


def test_no_route_is_a_problem_too(refused: Refusal) -> None:
    assert refused(404, "GET", "/nothing")["hint"]
    assert refused(405, "DELETE", "/batches")["code"] == "method_not_allowed"
    assert "location" not in refused(404, "GET", "/jobs/")


def test_a_key_makes_a_write_happen_once_also_after_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
        body = {"name": "once", "jobs": [{"runtime": "noop"}] * 3, "commit": True}

        def send(key: str, body: Any = body, path: str = "/batches") -> httpx.Response:
            return server.http.post(path, json=body, headers={"Idempotency-Key": key})

        first = send("k1")
        assert first.status_code == 200
        assert send("k1").content == first.content
        server.restart()
        assert send("k1").content == first.content
        assert [batch["name"] for batch in server.http.get("/batches").json()["items"]] == ["once"]
        assert send("k1", {**body, "name": "other"}).status_code == 409
        pools = {"pools": POOLS[:1]}
        assert send("k3", pools, "/apply?dry_run=true").status_code == 200
        assert send("k4", pools, "/apply").status_code == 200
        assert send("k1", pools, "/apply").status_code == 409
        assert send("k1", path="/batches?dry_run=false").status_code == 409
        assert send("k2").json()["id"] != first.json()["id"]
        assert send("k" * 201).status_code == 422
        assert send("refused", {"jobs": [{}]}).status_code == 422
        assert send("refused").status_code == 200  # a refused call used nothing up
        assert server.http.get("/invariants").json() == {"violations": []}
    finally:
        server.stop()


def test_everything_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
        token = server.token_of("user")
        server.http.post("/pools/big/freeze", json={}).raise_for_status()
        batch = server.http.post("/batches", json={"jobs": [{"runtime": "noop", "key": "a"}]}).json()["id"]
        before = server.http.get("/jobs").content
        server.restart()
        assert server.http.get("/jobs").content == before
        assert server.http.get("/pools/big").json()["frozen"] is True
        server.http.post(
            f"/batches/{batch}/jobs", json={"jobs": [{"runtime": "noop", "parents": ["a"]}]}
        ).raise_for_status()
        with server.client(token) as client:
            assert client.get("/status").status_code == 200
        assert (tmp_path / "admin.token").stat().st_mode & 0o077 == 0
        assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0
    finally:
        server.stop()


def test_a_second_server_on_the_same_data_is_refused(server: Server) -> None:
    second = Server(server.folder)
    with pytest.raises(AssertionError) as refusal:
        second.start()
    assert isinstance(refusal.value.args[0], StartError) or "Another Herder server" in str(refusal.value)


def test_exit_codes_of_a_server_that_cannot_start(server: Server, tmp_path: Path) -> None:
    port = server.running.url.rpartition(":")[2]
    env = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
    for words, says in (
        (["--data-dir", str(tmp_path), "--port", port], "Cannot listen"),
        (["--data-dir", str(server.folder), "--port", "0"], "Another Herder server"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "herder.app", "up", *words],
            check=False, capture_output=True, text=True, timeout=40, env=env,
        )  # fmt: skip
        assert (done.returncode, says in done.stderr) == (4, True), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"host": "0.0.0.0"}, "is reachable from other machines"),
        ({"tls_cert": Path("x.pem")}, "both a certificate and a key"),
        ({"store_url": "mysql://x/y"}, "not supported"),
        ({"store_url": "nonsense"}, "not a database URL"),
    ],
)
async def test_a_start_that_is_refused_leaves_nothing_listening(
    tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(StartError, match=says):
        await serve(ServerOptions(data_dir=tmp_path, port=0, **options))
