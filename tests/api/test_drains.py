"""Drains over HTTP: what is answered, what is shown, and that a dry run refuses what the real call refuses."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

LONG = {"runtime": "noop", "pool": "std", "cpu": "1m", "memory": "1Mi", "timeout_s": 3600}


def until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def view(api: httpx.Client, worker: PlayedWorker) -> dict[str, Any]:
    return dict(api.get(f"/workers/{worker.name}").raise_for_status().json())


def act(api: httpx.Client, worker: PlayedWorker, verb: str, **body: Any) -> str:
    return str(api.post(f"/workers/{worker.name}/{verb}", json=body).raise_for_status().json()["text"])


def running(api: httpx.Client, worker: PlayedWorker) -> int:
    job = api.post("/jobs", json=LONG).raise_for_status().json()["first_job"]
    worker.take()
    return int(job)


@pytest.fixture
def waiting(api: httpx.Client) -> Any:
    api.post("/apply", json={"pools": [{**POOLS[0], "on_blocked": "wait"}]}).raise_for_status()
    yield
    api.post("/apply", json={"pools": [POOLS[0]]}).raise_for_status()


def test_a_drained_worker_stays_until_it_is_uncordoned(api: httpx.Client, worker: PlayedWorker) -> None:
    job = running(api, worker)
    assert act(api, worker, "drain", message="disk is slow", timeout_s=600).endswith(
        "is being drained: it is empty when its 1 attempt has ended, after 10m at most. It stays, and costs, until it is uncordoned or removed."
    )
    shown = view(api, worker)
    assert (shown["state"], shown["cordoned"], shown["drain"], shown["drain_keeps"]) == (
        "ready",
        True,
        "draining",
        True,
    )
    assert shown["drain_text"] == (
        f"Worker {worker.name} is being drained: 0 of 1 attempt has ended, and job {job} of admin runs for 10 min more at most."
    )
    assert shown["drain_until"] > shown["ready_at"]
    assert not worker.exchange().drain
    worker.end(job)
    until(lambda: view(api, worker)["drain"] == "drained")
    assert "is drained: nothing runs on it" in api.get(f"/workers/{worker.name}/why").json()["summary"]
    assert act(api, worker, "drain").endswith("It stays, and costs, until it is uncordoned or removed.")
    assert "Its drain was ended." in act(api, worker, "uncordon")
    shown = view(api, worker)
    assert (shown["cordoned"], shown["drain"], shown["drain_text"]) == (False, "", "")
    worker.end(running(api, worker))


def test_a_removal_is_taken_back_while_its_attempts_run(api: httpx.Client, worker: PlayedWorker) -> None:
    job = running(api, worker)
    act(api, worker, "remove", timeout_s=600)
    assert worker.exchange().drain
    assert view(api, worker)["state"] == "draining"
    act(api, worker, "uncordon", message="needed after all")
    assert not worker.exchange().drain
    worker.end(job)
    worker.end(running(api, worker))
    assert view(api, worker)["state"] == "ready"


def test_a_drain_that_waits_says_what_blocks_it_wherever_people_look(
    server: Server, api: httpx.Client, worker: PlayedWorker, waiting: None
) -> None:
    job = running(api, worker)
    act(api, worker, "drain", timeout_s=0)
    until(lambda: view(api, worker)["drain"] == "blocked")
    blocked = f"job {job} of admin (for "
    assert blocked in view(api, worker)["drain_text"]
    assert blocked in api.get(f"/workers/{worker.name}/why").json()["summary"]
    assert any(blocked in text for text in api.get("/status").json()["attention"])
    with server.client(server.token_of("viewer")) as viewer:
        texts = [view(viewer, worker)["drain_text"], *viewer.get("/status").json()["attention"]]
        events = viewer.get("/events", params={"kind": "worker.drain_blocked"}).json()["items"]
        texts += [each["text"] for each in events]
    assert len(events) == 1
    assert all(f"job {job} (for " in text and "admin" not in text for text in texts)
    assert "1 attempt is retried on other workers" in act(api, worker, "drain", force=True)
    until(lambda: view(api, worker)["drain"] == "drained")
    assert not api.get("/status").json()["attention"]
    api.post(f"/jobs/{job}/cancel", json={}).raise_for_status()


REFUSED = [
    ("drain", {"timeout_s": -1}, 422),
    ("drain", {"timeout_s": 1e300}, 422),
    ("remove", {"timeout_s": 5, "force": True}, 422),
    ("extend", {"timeout_s": 5}, 422),
    ("uncordon", {"force": True}, 422),
    ("drain", {"extend_s": 5}, 422),
    ("drain", {"message": "x" * 5000}, 422),
]


@pytest.mark.parametrize(("verb", "body", "status"), REFUSED)
def test_a_dry_run_refuses_what_the_real_call_refuses(
    api: httpx.Client, worker: PlayedWorker, verb: str, body: dict[str, Any], status: int
) -> None:
    path = f"/workers/{worker.name}/{verb}"
    dry = api.post(path, params={"dry_run": "true"}, json=body)
    real = api.post(path, json=body)
    assert (dry.status_code, dry.json()) == (real.status_code, real.json())
    assert real.status_code == status
    assert view(api, worker)["drain"] == ""


def test_what_is_being_removed_is_not_drained_to_be_kept(
    api: httpx.Client, refused: Refusal, worker: PlayedWorker
) -> None:
    job = running(api, worker)
    act(api, worker, "remove")
    path = f"/workers/{worker.name}/drain"
    dry = refused(409, "POST", path, params={"dry_run": "true"}, json={})
    real = refused(409, "POST", path, json={})
    assert dry == real
    assert f"herder worker uncordon {worker.name}" in real["hint"]
    assert act(api, worker, "remove").startswith(f"Worker {worker.name} is being drained: 0 of 1 attempt")
    worker.end(job)


def test_a_removal_by_a_rule_of_the_pool_is_not_taken_back(
    server: Server, api: httpx.Client, refused: Refusal
) -> None:
    api.post("/apply", json={"pools": [{**POOLS[0], "name": "short"}]}).raise_for_status()
    worker = server.worker("short")
    job = api.post("/jobs", json={**LONG, "pool": "short"}).json()["first_job"]
    worker.take()
    api.delete("/pools/short").raise_for_status()
    said = refused(409, "POST", f"/workers/{worker.name}/uncordon", json={})
    assert "a rule of its pool" in said["detail"]
    assert "was deleted by admin" in said["detail"]
    api.post(f"/workers/{worker.name}/remove", json={"force": True}).raise_for_status()
    api.post(f"/jobs/{job}/cancel", json={}).raise_for_status()
    worker.close()


def test_a_drain_survives_a_restart_of_the_server(server: Server) -> None:
    worker = server.worker()
    job = running(server.http, worker)
    act(server.http, worker, "drain", timeout_s=600)
    server.restart()
    shown = view(server.http, worker)
    assert (shown["drain"], shown["cordoned"]) == ("draining", True)
    assert f"job {job} of admin runs for 10 min more" in shown["drain_text"]
    worker.close()
    worker.http = server.client(worker.token)
    worker.end(job)
    until(lambda: view(server.http, worker)["drain"] == "drained")
    server.http.post(f"/workers/{worker.name}/remove", json={}).raise_for_status()
    worker.close()
