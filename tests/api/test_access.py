"""Who may do what: no token, wrong tokens, roles, workers' tokens; idempotency keys; the OpenAPI document; starting and stopping."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.server.options import ServerOptions, StartError
from herder.server.runtime import serve
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

ROLES = ["viewer", "user", "operator", "administrator"]
#: Every route with the role it needs; `None`: everybody. A new route has to be added here.
ROUTES: dict[tuple[str, str], str | None] = {
    ("get", "/batches"): "viewer",
    ("get", "/projects"): "viewer",
    ("post", "/batches"): "user",
    ("get", "/batches/{batch}"): "viewer",
    ("post", "/batches/{batch}/jobs"): "user",
    ("post", "/batches/{batch}/commit"): "user",
    ("post", "/batches/{batch}/cancel"): "user",
    ("get", "/batches/{batch}/wait"): "viewer",
    ("get", "/jobs"): "viewer",
    ("post", "/jobs"): "user",
    ("get", "/jobs/{job}"): "viewer",
    ("get", "/jobs/{job}/wait"): "viewer",
    ("get", "/jobs/{job}/explain"): "viewer",
    ("get", "/jobs/{job}/logs"): "viewer",
    ("post", "/jobs/{job}/cancel"): "user",
    ("get", "/status"): "viewer",
    ("get", "/pools"): "viewer",
    ("get", "/pools/{pool}"): "viewer",
    ("get", "/pools/{pool}/why"): "viewer",
    ("post", "/apply"): "operator",
    ("post", "/pools/{pool}/scale"): "operator",
    ("post", "/pools/{pool}/freeze"): "operator",
    ("post", "/pools/{pool}/unfreeze"): "operator",
    ("delete", "/pools/{pool}"): "administrator",
    ("get", "/workers"): "viewer",
    ("get", "/workers/{worker}"): "viewer",
    ("get", "/workers/{worker}/why"): "viewer",
    ("get", "/workers/{worker}/console"): "operator",
    **{
        ("post", f"/workers/{{worker}}/{verb}"): "operator"
        for verb in ("cordon", "uncordon", "drain", "extend", "remove")
    },
    ("get", "/drivers"): "viewer",
    ("get", "/drivers/{driver}"): "viewer",
    ("post", "/drivers/{driver}/freeze"): "operator",
    ("post", "/drivers/{driver}/unfreeze"): "operator",
    ("post", "/drivers/{driver}/forget"): "administrator",
    ("get", "/plans"): "viewer",
    ("get", "/plans/next"): "viewer",
    ("get", "/plans/{plan}"): "viewer",
    ("get", "/events"): "viewer",
    ("get", "/events/stream"): "viewer",
    ("get", "/invariants"): "operator",
    ("get", "/users"): "viewer",
    ("post", "/users"): "administrator",
    ("post", "/tokens"): "administrator",
}


@pytest.fixture(scope="module")
def people(server: Server) -> Iterator[dict[str, httpx.Client]]:
    made = {role: server.client(server.token_of(role)) for role in ROLES}
    yield made
    for client in made.values():
        client.close()


def concrete(path: str) -> str:
    for name, value in (
        ("batch", "77"),
        ("job", "77"),
        ("pool", "none"),
        ("worker", "none"),
        ("driver", "none"),
        ("plan", "77"),
    ):
        path = path.replace(f"{{{name}}}", value)
    return path


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
            assert f"role {ROUTES[method, path.removeprefix('/api/v1')]}" in operation["description"]
    identifiers = [op["operationId"] for methods in document["paths"].values() for op in methods.values()]
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_each_route_needs_its_role_and_no_more(
    people: dict[str, httpx.Client], server: Server, refused: Refusal, method: str, path: str
) -> None:
    needed = ROUTES[method, path]
    assert needed is not None
    url = concrete(path)
    with server.client() as nobody, server.client("wrong") as wrong:
        for client in (nobody, wrong):
            problem = refused(401, method, url, client)
            assert problem["hint"]
    for role, client in people.items():
        if ROLES.index(role) < ROLES.index(needed):
            if "{job}/cancel" not in path:  # whether the job is there is looked up first
                assert needed in refused(403, method, url, client)["detail"]
        elif path not in ("/events/stream", "/plans/next") and method == "get":
            assert client.get(url).status_code not in (401, 403)
        elif method != "get":
            answer = client.request(method, url, content=b'{"wrong": ')
            assert answer.status_code in (404, 409, 422), answer.text


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


def test_what_belongs_to_another_is_not_touched(people: dict[str, httpx.Client], refused: Refusal) -> None:
    job = (
        people["administrator"]
        .post("/jobs", json={"runtime": "noop", "cpu": 8, "pool": "big"})
        .json()["first_job"]
    )
    batch = people["administrator"].post("/batches", json={}).json()["id"]
    for path in (f"/jobs/{job}/cancel", f"/batches/{batch}/cancel", f"/batches/{batch}/commit"):
        assert "belongs to a-administrator" in refused(403, "POST", path, people["user"], json={})["detail"]
    refused(403, "POST", f"/batches/{batch}/jobs", people["user"], json={"jobs": []})
    assert people["operator"].post(f"/jobs/{job}/cancel", json={}).status_code == 200
    assert people["operator"].post(f"/batches/{batch}/cancel", json={}).status_code == 200


def test_no_route_is_a_problem_too(refused: Refusal) -> None:
    assert refused(404, "GET", "/nothing")["hint"]
    assert refused(405, "DELETE", "/batches")["code"] == "method_not_allowed"


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
        assert send("k1", path="/batches?x=1").status_code == 409
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
    assert isinstance(refusal.value.args[0], StartError) or "another Herder server" in str(refusal.value)


def test_exit_codes_of_a_server_that_cannot_start(server: Server, tmp_path: Path) -> None:
    port = server.running.url.rpartition(":")[2]
    env = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
    for words, says in (
        (["--data-dir", str(tmp_path), "--port", port], "cannot listen"),
        (["--data-dir", str(server.folder), "--port", "0"], "another Herder server"),
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
        ({"host": "0.0.0.0"}, "can be reached by others"),
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
