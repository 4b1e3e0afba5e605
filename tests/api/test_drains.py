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


@pytest.mark.parametrize("verb", ["drain", "remove"])
def test_a_repeated_order_keeps_the_deadline_and_another_timeout_sets_it_anew(
    api: httpx.Client, worker: PlayedWorker, verb: str
) -> None:
    job = running(api, worker)
    assert "Its deadline" not in act(api, worker, verb, timeout_s=600)
    first = view(api, worker)["drain_until"]
    for body in ({"timeout_s": 600}, {}):
        time.sleep(0.01)
        dry = api.post(f"/workers/{worker.name}/{verb}", params={"dry_run": "true"}, json=body).json()["text"]
        assert dry.startswith("Nothing would change. ")
        assert act(api, worker, verb, **body).endswith(f" Its deadline stays: {first}.")
        assert view(api, worker)["drain_until"] == first
    assert "Its deadline was changed." in act(api, worker, verb, timeout_s=900)
    second = view(api, worker)["drain_until"]
    assert second > first
    assert act(api, worker, verb, timeout_s=900).endswith(f" Its deadline stays: {second}.")
    assert "Its deadline was changed." in act(api, worker, verb, timeout_s=600), "it is not the latest order"
    assert first < view(api, worker)["drain_until"] < second
    act(api, worker, "uncordon")
    worker.end(job)


def test_a_removal_with_the_timeout_of_the_drain_before_it_keeps_its_deadline(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    job = running(api, worker)
    act(api, worker, "drain", timeout_s=600)
    until_then = view(api, worker)["drain_until"]
    assert act(api, worker, "remove", timeout_s=600).endswith(f"ended, at {until_then} at the latest.")
    assert view(api, worker)["drain_until"] == until_then
    act(api, worker, "uncordon")
    worker.end(job)


def test_the_timeout_of_a_drain_is_known_after_a_restart(server: Server) -> None:
    worker = server.worker()
    job = running(server.http, worker)
    act(server.http, worker, "drain", timeout_s=600)
    act(server.http, worker, "drain", timeout_s=900)
    server.restart()
    assert "Its deadline stays: " in act(server.http, worker, "drain", timeout_s=900)
    act(server.http, worker, "remove", force=True)
    server.http.post(f"/jobs/{job}/cancel", json={}).raise_for_status()
    worker.close()


@pytest.mark.parametrize(
    ("verbs", "text"),
    [
        (["uncordon"], "Worker NAME is not cordoned."),
        (["cordon", "cordon"], "Worker NAME is already cordoned."),
        (["drain", "cordon"], "Worker NAME is already cordoned."),
        (["cordon", "uncordon", "uncordon"], "Worker NAME is not cordoned."),
    ],
)
def test_an_order_that_finds_what_it_wants_says_that_nothing_was_changed(
    api: httpx.Client, worker: PlayedWorker, verbs: list[str], text: str
) -> None:
    *before, verb = verbs
    for each in before:
        act(api, worker, each)
    events = api.get("/events", params={"object": f"worker/{worker.name}"}).json()["items"]
    text = text.replace("NAME", worker.name)
    dry = api.post(f"/workers/{worker.name}/{verb}", params={"dry_run": "true"}, json={}).json()["text"]
    assert dry == f"Nothing would change. {text}"
    assert act(api, worker, verb, message="again") == f"{text} Nothing was changed."
    assert api.get("/events", params={"object": f"worker/{worker.name}"}).json()["items"] == events
    act(api, worker, "uncordon")


def test_a_pool_that_is_frozen_already_is_not_frozen_again(api: httpx.Client) -> None:
    for verb, text in (("unfreeze", "is not frozen"), ("freeze", ""), ("freeze", "is already frozen")):
        said = api.post(f"/pools/std/{verb}", json={}).raise_for_status().json()["text"]
        assert said == (f"Pool std {text}. Nothing was changed." if text else "Pool std is frozen.")
    api.post("/pools/std/unfreeze", json={}).raise_for_status()


REFUSED = [
    ("drain", {"timeout_s": -1}, 422),
    ("drain", {"timeout_s": 1e300}, 422),
    ("remove", {"timeout_s": 5, "force": True}, 422),
    ("extend", {"timeout_s": 5}, 422),
    ("uncordon", {"force": True}, 422),
    ("drain", {"extend_s": 5}, 422),
    ("extend", {"extend_s": 0}, 422),
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


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/workers/{}/extend", {"extend_s": 0}, "An extension must be more than 0s and at most 3650d."),
        ("/workers/{}/drain", {"timeout_s": -1}, "A timeout must be at least 0s and at most 3650d."),
        (
            "/pools/std/scale",
            {"workers": 1, "ttl_s": 0},
            "A time to live must be more than 0s and at most 3650d.",
        ),
    ],
)
def test_a_refusal_of_a_time_names_no_field_in_its_sentence(
    api: httpx.Client, worker: PlayedWorker, path: str, body: dict[str, Any], said: str
) -> None:
    assert api.post(path.format(worker.name), json=body).json()["detail"] == said


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
