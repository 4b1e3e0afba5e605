"""Secrets of users and projects: who sets, sees, uses and deletes them; that no answer, row or event has a value; and their delivery."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from herder.control.access import secrets
from herder.control.kernel.bounds.limits import SECRET_BYTES, SECRETS_PER_JOB
from herder.wire.api.secrets import SecretsAnswer
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

VALUE = "hunter2 is not good enough"
PROJECT = {"alpha": {"users": {"ann": "user", "mate": "user", "watch": "viewer"}}, "open": {}}
JOB: dict[str, Any] = {"runtime": "noop", "pool": "std"}
USE = {**JOB, "secrets": [{"name": "db", "env": "DB"}]}


def begun(folder: Path) -> Server:
    made = Server(folder).start()
    made.http.post("/apply", json={"pools": POOLS, "sharing": {"projects": PROJECT}}).raise_for_status()
    return made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    made = begun(tmp_path_factory.mktemp("data"))
    yield made, {name: made.person(name) for name in ("ann", "bob", "mate", "watch")}
    made.stop()


@pytest.fixture
def server(shared: tuple[Server, dict[str, str]]) -> Iterator[Server]:
    """Without secrets, jobs that wait, and workers of the tests before."""
    made, _ = shared
    yield made
    http = made.http
    for each in http.get("/secrets?all=true").json()["items"]:
        of = f"project={each['project']}" if each["project"] else f"user={each['user']}"
        http.delete(f"/secrets/{each['name']}?{of}").raise_for_status()
    for state in ("pending", "ready", "running"):
        for job in http.get(f"/jobs?state={state}").json()["items"]:
            http.post(f"/jobs/{job['id']}/cancel", json={})
    for each in http.get("/workers").json()["items"]:
        http.post(f"/workers/{each['name']}/remove", json={"force": True})
    http.post("/apply", json={"pools": POOLS, "sharing": {"projects": PROJECT}}).raise_for_status()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    made = begun(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def people(server: Server, shared: tuple[Server, dict[str, str]]) -> dict[str, httpx.Client]:
    return {name: server.client(token) for name, token in shared[1].items()}


def delivered(worker: PlayedWorker, job: int, attempt: int = 1) -> SecretsAnswer:
    answer = worker.http.get(f"/worker/attempts/{job}/{attempt}/secrets").raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    return msgspec.json.decode(answer.content, type=SecretsAnswer)


def test_a_secret_lives_through_a_restart_and_no_answer_has_its_value(fresh: Server) -> None:
    asked = {"name": "db", "value": VALUE}
    made = fresh.http.post("/secrets", json=asked).raise_for_status()
    fresh.http.post(
        "/secrets", json={"name": "key", "value": "/+8=", "encoding": "base64"}
    ).raise_for_status()
    fresh.restart()
    (one, two) = fresh.http.get("/secrets").json()["items"]
    assert {**one, "state": "ready"} == made.json()
    assert (one["name"], one["user"], one["version"], one["bytes"]) == ("db", "admin", 1, len(VALUE))
    assert (two["name"], two["bytes"]) == ("key", 2)
    changed = fresh.http.post("/secrets/db", json={"value": "another one"}).raise_for_status().json()
    assert (changed["version"], changed["created_at"]) == (2, one["created_at"])
    said = [made.text, fresh.http.get("/secrets/db").text, fresh.http.get("/events?kind=secret").text]
    assert not any(VALUE in text or "another one" in text for text in said)
    kinds = [each["kind"] for each in fresh.http.get("/events?kind=secret").json()["items"]]
    assert sorted(kinds) == ["secret.created", "secret.created", "secret.updated"]


def test_the_data_folder_has_neither_a_value_nor_what_it_could_be_guessed_from(
    fresh: Server, tmp_path: Path
) -> None:
    """The fingerprint of the request, which is stored with its key, is not a plain hash of its body."""
    from herder.control.access.idempotency import fingerprint_of

    body = msgspec.json.encode({"name": "db", "value": VALUE})
    fresh.http.post("/secrets", content=body, headers={"idempotency-key": "one"}).raise_for_status()
    job = fresh.http.post("/jobs", json=USE).raise_for_status().json()["first_job"]
    worker = fresh.worker()
    worker.take()
    assert delivered(worker, job).values[0].value == VALUE.encode()
    worker.end(job)
    fresh.stop()
    guess = fingerprint_of("POST /api/v1/secrets?", body).encode()
    plain = fingerprint_of("POST /api/v1/jobs?", msgspec.json.encode(USE)).encode()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    forms = (VALUE.encode(), base64.b64encode(VALUE.encode()), guess)
    assert [form for form in forms if form in stored] == []
    assert b"secret.created" in stored
    assert plain not in stored, "it had no key"
    fresh.start()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "", "value": "x"}, 422, "name"),
        ({"name": "a/b", "value": "x"}, 422, "name"),
        ({"name": "x" * 65, "value": "x"}, 422, "name"),
        ({"name": "a", "value": ""}, 422, "value"),
        ({"name": "a", "value": "x" * (SECRET_BYTES + 1)}, 413, "value"),
        ({"name": "a", "value": "no base64!", "encoding": "base64"}, 422, "value"),
        ({"name": "a", "value": "x", "project": "nope"}, 422, "project"),
        ({"name": "a", "value": "x", "project": "open"}, 422, "project"),
        ({"name": "a", "value": "x", "project": "alpha"}, 403, ""),
    ],
)
def test_bad_input_names_its_field_and_makes_nothing(
    server: Server, refused: Refusal, body: dict[str, Any], status: int, field: str
) -> None:
    problem = refused(status, "POST", "/secrets", server.http, json=body)
    assert (problem.get("field") or "") == field
    assert problem["hint"]
    assert body["value"] == "x" or body["value"] not in problem["detail"] or not body["value"]
    assert server.http.get("/secrets?all=true").json()["items"] == []


def test_the_number_of_secrets_of_one_owner_is_limited(
    server: Server, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "SECRETS_PER_OWNER", 3)
    for number in range(3):
        server.http.post("/secrets", json={"name": f"s{number}", "value": "x"}).raise_for_status()
    assert "maximum" in refused(429, "POST", "/secrets", json={"name": "more", "value": "x"})["detail"]
    server.http.delete("/secrets/s1").raise_for_status()
    server.http.post("/secrets", json={"name": "more", "value": "x"}).raise_for_status()
    assert refused(409, "POST", "/secrets", json={"name": "more", "value": "x"})["field"] == "name"


def test_a_user_secret_is_its_users_and_administrators_can_only_delete_it(
    server: Server, people: dict[str, httpx.Client], refused: Refusal
) -> None:
    people["ann"].post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    assert people["bob"].get("/secrets").json()["items"] == []
    refused(404, "GET", "/secrets/db", people["bob"])
    refused(404, "GET", "/secrets/db?user=ann", people["bob"])
    refused(404, "DELETE", "/secrets/db?user=ann", people["bob"])
    assert server.http.get("/secrets").json()["items"] == [], "an administrator's own"
    assert [each["user"] for each in server.http.get("/secrets?all=true").json()["items"]] == ["ann"]
    assert server.http.get("/secrets/db?user=ann").json()["version"] == 1
    refused(422, "POST", "/jobs", server.http, json=USE)
    assert server.http.delete("/secrets/db?user=ann&dry_run=true").json()["dry_run"]
    server.http.delete("/secrets/db?user=ann").raise_for_status()
    refused(404, "GET", "/secrets/db", people["ann"])


def test_a_project_secret_is_its_members(
    server: Server, people: dict[str, httpx.Client], refused: Refusal
) -> None:
    people["ann"].post("/secrets", json={"name": "db", "value": VALUE, "project": "alpha"}).raise_for_status()
    for name in ("ann", "mate", "watch"):
        assert people[name].get("/secrets").json()["items"][0]["project"] == "alpha"
    refused(403, "POST", "/secrets/db?project=alpha", people["watch"], json={"value": "x"})
    refused(404, "POST", "/secrets/db?project=alpha", people["bob"], json={"value": "x"})
    refused(403, "POST", "/secrets/db?project=alpha", server.http, json={"value": "x"})
    events = people["bob"].get("/events?kind=secret").json()["items"]
    assert events == [], "of what one may not know, one is not told"
    mates = {**USE, "project": "alpha"}
    job = people["mate"].post("/jobs", json=mates).raise_for_status().json()["first_job"]
    assert people["mate"].get(f"/jobs/{job}").json()["payload"]["secrets"] == [
        {"name": "db", "env": "DB", "scope": "project"}
    ]
    refused(422, "POST", "/jobs", people["mate"], json=USE)
    refused(422, "POST", "/jobs", server.http, json=mates)


def test_who_leaves_the_project_gets_it_no_more(server: Server, people: dict[str, httpx.Client]) -> None:
    people["ann"].post("/secrets", json={"name": "db", "value": VALUE, "project": "alpha"}).raise_for_status()
    worker = server.worker()
    job = people["mate"].post("/jobs", json={**USE, "project": "alpha"}).json()["first_job"]
    worker.take()
    assert delivered(worker, job).values[0].value == VALUE.encode()
    fewer = {"alpha": {"users": {"ann": "user"}}}
    server.http.post("/apply", json={"pools": [], "sharing": {"projects": fewer}}).raise_for_status()
    answer = delivered(worker, job)
    assert answer.values == []
    assert answer.missing == (
        "Secret db cannot be delivered: user mate is no longer a member of project alpha with the role user."
    )
    worker.close()


def test_nobody_uses_the_secrets_of_the_owner_of_a_batch(
    people: dict[str, httpx.Client], refused: Refusal
) -> None:
    """A member of the project may add jobs to it, which then run as its owner's."""
    people["ann"].post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    batch = people["ann"].post("/batches", json={"project": "alpha", "jobs": []}).json()["id"]
    people["mate"].post(f"/batches/{batch}/jobs", json={"jobs": [JOB]}).raise_for_status()
    problem = refused(422, "POST", f"/batches/{batch}/jobs", people["mate"], json={"jobs": [JOB, USE]})
    assert problem["field"] == "jobs[1].secrets[0].name"
    people["ann"].post(f"/batches/{batch}/jobs", json={"jobs": [USE]}).raise_for_status()


def uses(*given: dict[str, str], **more: Any) -> dict[str, Any]:
    return {**JOB, "secrets": list(given), **more}


@pytest.mark.parametrize(
    ("job", "field", "says"),
    [
        (uses({"name": "nope", "env": "A"}), "secrets[0].name", "There is no secret nope of user admin or project default"),
        (uses({"name": "db", "env": "A", "scope": "project"}), "secrets[0].name", "no secret db of project default"),
        (uses({"name": "db"}), "secrets[0]", "must become a variable or a file"),
        (uses({"name": "db", "env": "A", "file": "b"}), "secrets[0]", "must become a variable or a file"),
        (uses({"name": "db", "env": "A"}, {"name": "db", "env": "A"}), "secrets[0].env", "already set"),
        (uses({"name": "db", "env": "A"}, env={"A": "b"}), "secrets[0].env", "already set by the job"),
        (uses({"name": "db", "env": "HERDER_JOB_ID"}), "secrets[0].env", "already set by Herder"),
        (uses({"name": "db", "env": "A=B"}), "secrets", "not a valid name of an environment variable"),
        (uses({"name": "db", "file": "../x"}), "secrets[0].file", "not a valid file name"),
        (uses({"name": "db", "file": "/x"}), "secrets[0].file", "not a valid file name"),
        (uses({"name": "db", "file": "a"}, {"name": "db", "file": "a/b"}), "secrets", "need the path a"),
        (uses({"name": "db", "file": "a"}, {"name": "db", "file": "a"}), "secrets", "need the path a"),
        (uses({"name": "raw", "env": "A"}), "secrets[0].env", "bytes that a variable cannot hold"),
        (uses({"name": "a/b", "env": "A"}), "secrets[0].name", "not a valid name of a secret"),
        (uses(*({"name": "db", "env": f"A{n}"} for n in range(SECRETS_PER_JOB + 1))), "secrets", "the maximum"),
    ],
)  # fmt: skip
def test_a_job_with_a_wrong_secret_is_refused(
    server: Server, refused: Refusal, job: dict[str, Any], field: str, says: str
) -> None:
    server.http.post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    raw = {"name": "raw", "value": base64.b64encode(b"a\0b").decode(), "encoding": "base64"}
    server.http.post("/secrets", json=raw).raise_for_status()
    before = server.http.get("/status").json()["jobs"]
    problem = refused(422, "POST", "/jobs", server.http, json=job)
    assert says in problem["detail"]
    assert problem["field"] == field
    refused(422, "POST", "/jobs?dry_run=true", server.http, json=job)
    refused(422, "POST", "/batches", server.http, json={"jobs": [JOB, job]})
    assert server.http.get("/status").json()["jobs"] == before


def test_values_go_to_the_worker_of_the_attempt_and_to_nobody_else(server: Server) -> None:
    server.http.post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    holder = server.worker()
    job = server.http.post("/jobs", json=USE).json()["first_job"]
    (assignment,) = holder.take()
    stranger = server.worker()
    assert assignment.secrets
    assert VALUE.encode() not in msgspec.json.encode(assignment)
    (value,) = delivered(holder, job).values
    assert (value.name, value.env, value.value) == ("db", "DB", VALUE.encode())
    assert stranger.http.get(f"/worker/attempts/{job}/1/secrets").status_code == 404
    assert holder.http.get(f"/worker/attempts/{job}/2/secrets").status_code == 404
    assert server.http.get(f"/worker/attempts/{job}/1/secrets").status_code == 401
    server.http.post("/secrets/db", json={"value": "new"}).raise_for_status()
    assert delivered(holder, job).values[0].value == b"new"
    holder.end(job)
    assert holder.http.get(f"/worker/attempts/{job}/1/secrets").status_code == 404, "it has ended"
    holder.close()
    stranger.close()


def test_a_secret_that_is_deleted_later_is_named_and_one_of_the_same_name_is_not_taken_for_it(
    server: Server, people: dict[str, httpx.Client]
) -> None:
    people["ann"].post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    job = people["ann"].post("/jobs", json={**USE, "project": "alpha"}).json()["first_job"]
    people["mate"].post(
        "/secrets", json={"name": "db", "value": "other", "project": "alpha"}
    ).raise_for_status()
    people["ann"].delete("/secrets/db").raise_for_status()
    worker = server.worker()
    worker.take()
    answer = delivered(worker, job)
    assert (answer.values, answer.missing) == (
        [],
        "Secret db cannot be delivered: it was deleted from user ann.",
    )
    worker.close()


def test_secrets_go_with_their_user_and_do_not_come_back_with_the_name(server: Server) -> None:
    zoe = server.client(server.person("zoe"))
    zoe.post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    server.http.delete("/users/zoe?dry_run=true").raise_for_status()
    assert len(server.http.get("/secrets?all=true").json()["items"]) == 1
    server.http.delete("/users/zoe").raise_for_status()
    again = server.client(server.person("zoe"))
    assert again.get("/secrets").json()["items"] == []
    assert server.http.get("/secrets?all=true").json()["items"] == []


def test_jobs_of_a_deleted_user_get_no_secrets_of_the_next_user_of_the_name(server: Server) -> None:
    kim = server.client(server.person("kim"))
    kim.post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    job = kim.post("/jobs", json=USE).raise_for_status().json()["first_job"]
    server.http.delete("/users/kim").raise_for_status()
    again = server.client(server.person("kim"))
    again.post("/secrets", json={"name": "db", "value": "of somebody else"}).raise_for_status()
    own = again.post("/jobs", json=USE).raise_for_status().json()["first_job"]
    worker = server.worker()
    worker.take(2)
    answer = delivered(worker, job)
    assert answer.values == []
    assert answer.missing == (
        "Secret db cannot be delivered: the secret of this name of user kim was created after the job; "
        "submit the job again to use it."
    )
    assert delivered(worker, own).values[0].value == b"of somebody else"
    worker.close()


def test_a_server_without_the_key_says_so_and_takes_new_values(fresh: Server, tmp_path: Path) -> None:
    fresh.http.post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    job = fresh.http.post("/jobs", json=USE).json()["first_job"]
    fresh.stop()
    (tmp_path / "secrets.key").unlink()
    fresh.start()
    assert fresh.http.get("/secrets/db").json()["state"] == "unreadable"
    assert "does not have the key" in fresh.http.post("/jobs", json=USE).json()["detail"]
    worker = fresh.worker()
    worker.take()
    assert "which this server does not have" in delivered(worker, job).missing
    fresh.http.post("/secrets/db", json={"value": "new"}).raise_for_status()
    assert delivered(worker, job).values[0].value == b"new"
    worker.close()


def test_a_job_that_is_retried_as_a_new_one_uses_the_secrets_of_who_asks(
    server: Server, people: dict[str, httpx.Client], refused: Refusal
) -> None:
    people["ann"].post("/secrets", json={"name": "db", "value": VALUE}).raise_for_status()
    job = people["ann"].post("/jobs", json={**USE, "project": "alpha"}).json()["first_job"]
    people["ann"].post(f"/jobs/{job}/cancel", json={}).raise_for_status()
    people["ann"].post(f"/jobs/{job}/retry", json={}).raise_for_status()
    problem = refused(422, "POST", f"/jobs/{job}/retry", people["mate"], json={})
    assert "There is no secret db of user mate" in problem["detail"]
