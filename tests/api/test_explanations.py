"""`why` and `explain` leave nothing out that people did: who cordoned, extended, removed or cancelled, why, and for which parent."""

import time
from typing import Any

import httpx

from tests.api.conftest import PlayedWorker, Server

NOOP = {"runtime": "noop"}


def told_of_worker(api: httpx.Client, name: str) -> list[tuple[str, str]]:
    facts = api.get(f"/workers/{name}/why").json()["facts"]
    return [(fact["kind"], fact["text"]) for fact in facts]


def ended(api: httpx.Client, name: str) -> dict[str, Any]:
    for _ in range(300):
        view: dict[str, Any] = api.get(f"/workers/{name}").json()
        if view["ended_at"]:
            return view
        time.sleep(0.02)
    raise AssertionError(f"{name} has not ended")


def test_three_extensions_are_three_events_each_with_who_did_it(
    api: httpx.Client, worker: PlayedWorker
) -> None:
    for _ in range(3):
        api.post(f"/workers/{worker.name}/extend", json={"message": "a long job"}).raise_for_status()
    api.post(f"/workers/{worker.name}/cordon", json={"message": "looks slow"}).raise_for_status()
    told = told_of_worker(api, worker.name)
    extended = [text for kind, text in told if kind == "worker.extended"]
    assert len(extended) == 3
    assert all(text.endswith("A long job. By admin.") for text in extended)
    (cordoned,) = (text for kind, text in told if kind == "worker.cordoned")
    assert cordoned.endswith("Looks slow. By admin.")


def test_a_removal_by_force_is_told_and_what_has_ended_expires_no_more(
    server: Server, api: httpx.Client
) -> None:
    worker = server.worker()
    assert api.get(f"/workers/{worker.name}").json()["expires_at"]
    job = api.post("/jobs", json=NOOP).json()["first_job"]
    worker.take()
    api.post(f"/workers/{worker.name}/drain", json={}).raise_for_status()
    api.post(f"/workers/{worker.name}/remove", json={"force": True}).raise_for_status()
    worker.close()
    api.post(f"/jobs/{job}/cancel", json={}).raise_for_status()
    assert ended(api, worker.name)["expires_at"] is None
    told = told_of_worker(api, worker.name)
    (removed,) = (text for kind, text in told if kind == "worker.terminating")
    assert removed.endswith("Removed by hand with --force. By admin.")
    assert [kind for kind, _ in told].count("worker.draining") == 1


def test_a_reason_is_not_repeated_by_what_follows_from_it(server: Server, api: httpx.Client) -> None:
    worker = server.worker()
    api.post(f"/workers/{worker.name}/remove", json={"message": "no longer needed"}).raise_for_status()
    worker.close()
    ended(api, worker.name)
    told = [text for _, text in told_of_worker(api, worker.name)]
    assert sum("No longer needed." in text for text in told) == 1


def test_a_cancelled_job_says_who_cancelled_it_and_why(api: httpx.Client) -> None:
    job = api.post("/jobs", json={**NOOP, "pool": "big"}).json()["first_job"]
    api.post(f"/jobs/{job}/cancel", json={"message": "wrong input"}).raise_for_status()
    found = api.get(f"/jobs/{job}/explain").json()
    assert found["summary"].startswith(f"Job {job} is cancelled")
    assert "Cancelled by admin at " in found["summary"]
    assert "wrong input" in found["summary"]
    (fact,) = (fact for fact in found["facts"] if fact["kind"] == "job_cancelled")
    assert fact["evidence"]["actor"] == "user/admin"


def test_a_job_of_a_cancelled_batch_says_who_cancelled_the_batch(api: httpx.Client) -> None:
    batch = api.post("/batches", json={"jobs": [{**NOOP, "pool": "big"}] * 2, "commit": True}).json()
    first = api.get("/jobs", params={"batch": batch["id"]}).json()["items"][0]["id"]
    api.post(f"/batches/{batch['id']}/cancel", json={"message": "new data"}).raise_for_status()
    found = api.get(f"/jobs/{first}/explain").json()
    assert "Cancelled by admin at " in found["summary"]
    assert "new data" in found["summary"]


def test_a_skipped_job_names_the_parent_that_failed(api: httpx.Client, worker: PlayedWorker) -> None:
    jobs = [
        {**NOOP, "key": "load"},
        {**NOOP, "key": "clean", "parents": ["load"]},
        {**NOOP, "key": "report", "parents": ["clean"]},
    ]
    batch = api.post("/batches", json={"jobs": jobs, "commit": True}).json()
    load, clean, report = (
        each["id"] for each in api.get("/jobs", params={"batch": batch["id"]}).json()["items"]
    )
    worker.take()
    worker.end(load, state="failed", cause="exit_code", exit_code=1)
    found = api.get(f"/jobs/{clean}/explain").json()
    assert f"Parent job {load} (load) failed (exit_code), so this job was skipped" in found["summary"]
    found = api.get(f"/jobs/{report}/explain").json()
    assert f"Parent job {clean} (clean) was skipped" in found["summary"]
