"""Holding, releasing and retrying over HTTP: what is answered, what is refused, and what a restart keeps."""

from pathlib import Path

import httpx
import pytest

from herder.wire.worker.exchange import Finished
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server
from tests.api.test_work import batch_of, jobs_of


def states(api: httpx.Client, batch: int) -> list[str]:
    return [job["state"] for job in jobs_of(api, batch)]


def test_a_batch_is_held_and_released(api: httpx.Client, worker: PlayedWorker) -> None:
    batch = batch_of(api, {}, {}, {}, commit=False)["id"]
    said = api.post(f"/batches/{batch}/hold", json={"message": "wait for the data"}).json()["text"]
    assert said == f"Batch {batch} is held: 0 jobs held, 0 still running."
    again = api.post(f"/batches/{batch}/hold", json={}).json()["text"]
    assert again == f"Batch {batch} is already held."
    view = api.post(f"/batches/{batch}/commit").json()
    assert (view["counts"], states(api, batch)) == ({"held": 3}, ["held"] * 3)
    assert api.get("/jobs", params={"batch": batch, "state": "ready"}).json()["items"] == []
    assert len(api.get("/jobs", params={"batch": batch, "state": "held"}).json()["items"]) == 3
    first = jobs_of(api, batch)[0]["id"]
    assert f"herder batch release {batch}" in api.get(f"/jobs/{first}/explain").json()["summary"]
    assert worker.exchange().assign == []
    said = api.post(f"/batches/{batch}/release", json={}).json()["text"]
    assert said == f"Batch {batch} was released, with 3 jobs that had been held."
    assert api.post(f"/batches/{batch}/release", json={}).json()["text"] == f"Batch {batch} is not held."
    for assignment in worker.take(3):
        worker.end(assignment.job)
    assert api.get(f"/batches/{batch}/wait").json()["state"] == "succeeded"
    kinds = [each["kind"] for each in api.get("/events", params={"object": f"batch/{batch}"}).json()["items"]]
    assert {"batch.held", "batch.released"} <= set(kinds)


def test_a_job_is_held_and_released(api: httpx.Client, worker: PlayedWorker, refused: Refusal) -> None:
    api_job = api.post("/batches", json={"jobs": [{"runtime": "noop"}] * 2}).json()["id"]
    assert api.post(f"/batches/{api_job}/hold", json={}).status_code == 200
    api.post(f"/batches/{api_job}/commit").raise_for_status()
    one, two = (job["id"] for job in jobs_of(api, api_job))
    assert api.post(f"/jobs/{one}/hold", json={}).json()["text"] == f"Job {one} was held."
    assert api.post(f"/jobs/{one}/hold", json={}).json()["text"] == f"Job {one} is already held."
    problem = refused(409, "POST", f"/jobs/{two}/release", json={})
    assert f"herder batch release {api_job}" in problem["hint"]
    api.post(f"/batches/{api_job}/release", json={}).raise_for_status()
    (assignment,) = worker.take()
    assert assignment.job == two
    refused(409, "POST", f"/jobs/{two}/hold", json={})
    worker.end(two)
    refused(409, "POST", f"/jobs/{two}/hold", json={})
    assert states(api, api_job) == ["held", "succeeded"]
    assert api.post(f"/jobs/{one}/release", json={}).json()["text"] == f"Job {one} was released."
    (assignment,) = worker.take()
    worker.end(assignment.job)
    assert api.get(f"/batches/{api_job}/wait").json()["state"] == "succeeded"


def test_jobs_that_wait_for_parents_are_held_with_their_batch_only(
    api: httpx.Client, refused: Refusal
) -> None:
    batch = batch_of(api, {"key": "a", "cpu": 8, "pool": "big"}, {"parents": ["a"]})["id"]
    child = jobs_of(api, batch)[1]["id"]
    problem = refused(409, "POST", f"/jobs/{child}/hold", json={})
    assert f"herder batch hold {batch}" in problem["hint"]
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    refused(409, "POST", f"/batches/{batch}/hold", json={})


def test_failed_jobs_of_a_batch_are_retried(api: httpx.Client, worker: PlayedWorker) -> None:
    batch = batch_of(api, {"key": "a"}, {"parents": ["a"]})["id"]
    (first,) = worker.take()
    worker.end(first.job, state="failed", cause="exit_code", exit_code=3)
    assert api.get(f"/batches/{batch}/wait").json()["state"] == "failed"
    would = api.post(f"/batches/{batch}/retry", params={"dry_run": True}).json()
    assert would["text"] == f"1 failed job and 1 skipped job of batch {batch} would be retried."
    assert states(api, batch) == ["failed", "skipped"]
    said = api.post(f"/batches/{batch}/retry").json()["text"]
    assert said == f"1 failed job and 1 skipped job of batch {batch} are retried."
    (assignment,) = worker.take()
    assert (assignment.job, assignment.attempt) == (first.job, 2)
    answer = worker.exchange(
        finished=[Finished(job=first.job, attempt=2, state="succeeded", started_at_ms=1, ended_at_ms=2**53)]
    )
    child = answer.assign[0] if answer.assign else worker.take()[0]
    worker.end(child.job)
    view = api.get(f"/batches/{batch}/wait").json()
    assert (view["state"], view["counts"]) == ("succeeded", {"succeeded": 2})
    assert [each["state"] for each in api.get(f"/jobs/{first.job}").json()["history"]] == [
        "failed",
        "succeeded",
    ]
    assert api.post(f"/batches/{batch}/retry").json()["text"] == f"Batch {batch} has no failed jobs."
    assert api.get("/invariants").json() == {"violations": []}


def test_what_cannot_be_retried(api: httpx.Client, refused: Refusal) -> None:
    batch = batch_of(api, {"cpu": 8, "pool": "big"}, commit=False)["id"]
    assert "Commit it first" in refused(409, "POST", f"/batches/{batch}/retry")["hint"]
    api.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
    assert "as a new batch" in refused(409, "POST", f"/batches/{batch}/retry")["hint"]
    refused(404, "POST", "/batches/777777/retry")


@pytest.mark.timeout(60)
def test_a_restart_keeps_what_is_held(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
        batch = batch_of(server.http, {}, {})["id"]
        server.http.post(f"/batches/{batch}/hold", json={}).raise_for_status()
        job = server.http.post("/jobs", json={"runtime": "noop"}).json()["first_job"]
        server.http.post(f"/jobs/{job}/hold", json={}).raise_for_status()
        server.restart()
        assert states(server.http, batch) == ["held"] * 2
        assert server.http.get(f"/batches/{batch}").json()["counts"] == {"held": 2}
        assert server.http.get(f"/jobs/{job}").json()["state"] == "held"
    finally:
        server.stop()


def test_jobs_are_added_to_a_batch_that_was_kept_open(
    api: httpx.Client, worker: PlayedWorker, refused: Refusal
) -> None:
    body = {"jobs": [{"runtime": "noop", "key": "a"}], "commit": True, "keep_open": True}
    batch = api.post("/batches", json=body).json()["id"]
    (first,) = worker.take()
    worker.end(first.job)
    assert api.get(f"/batches/{batch}").json()["accepts_jobs"] is True
    more = {"jobs": [{"runtime": "noop", "parents": ["a"]}]}
    added = api.post(f"/batches/{batch}/jobs", json=more).json()
    (second,) = worker.take()
    assert second.job == added["first_job"]
    said = api.post(f"/batches/{batch}/close").json()["text"]
    assert said == f"Batch {batch} was closed with 2 jobs."
    assert api.post(f"/batches/{batch}/close").json()["text"] == f"Batch {batch} is already closed."
    assert "keep_open" in refused(409, "POST", f"/batches/{batch}/jobs", json=more)["detail"]
    worker.end(second.job)
    view = api.get(f"/batches/{batch}/wait").json()
    assert (view["state"], view["accepts_jobs"]) == ("succeeded", False)
