"""What people see of faults of workers, and what the server does about faults of its own."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.control.jobs.submitting import accepting, class_refusals, submission
from herder.engine.jobs import classes
from tests.api.conftest import POOLS, PlayedWorker, Refusal, Server

NOOP = {"runtime": "noop", "cpu": 1, "memory": "64Mi"}


def submitted(api: httpx.Client, **more: Any) -> int:
    return int(api.post("/jobs", json={**NOOP, **more}).raise_for_status().json()["first_job"])


def test_a_job_that_a_worker_failed_says_what_it_waits_for(api: httpx.Client, worker: PlayedWorker) -> None:
    job = submitted(api)
    (given,) = worker.take()
    worker.end(job, given.attempt, "failed", cause="infrastructure", message="cannot make the scratch folder")
    view = api.get(f"/jobs/{job}").json()
    assert (view["state"], view["attempts"]) == ("ready", 1)
    assert view["retry_at"] > view["created_at"]
    told = api.get(f"/jobs/{job}/explain").json()
    assert "is tried again in" in told["summary"] or "attempt" in told["facts"][0]["kind"]
    assert "1 failure on 1 worker" in told["summary"]
    assert "cannot make the scratch folder" in told["summary"]
    assert told["facts"][0]["evidence"]["workers"] == [worker.name]
    assert "cancelled before it started" in api.post(f"/jobs/{job}/cancel", json={}).json()["text"]
    assert api.get(f"/jobs/{job}").json()["retry_at"] is None


def test_status_tells_failed_jobs_and_workers_that_take_no_work(
    api: httpx.Client, worker: PlayedWorker, server: Server
) -> None:
    before = [line for line in api.get("/status").json()["recent_failures"] if " jobs: " in line]
    jobs = [submitted(api, attempts_max=1), submitted(api)]
    given = {each.job: each.attempt for each in worker.take(2)}
    worker.end(jobs[0], given[jobs[0]], "failed", cause="infrastructure", message="No space left on device")
    worker.end(jobs[1], given[jobs[1]], "failed", cause="exit_code", exit_code=3)
    (line,) = [line for line in api.get("/status").json()["recent_failures"] if " jobs: " in line]
    assert line != before
    assert "2 jobs failed in the last hour, 1 of them because of infrastructure (" in line
    third = [submitted(api, attempts_max=1) for _ in range(2)]
    for each in worker.take(2):
        worker.end(each.job, each.attempt, "failed", cause="infrastructure", message="No space left")
    assert any("3 attempts in a row" in text for text in api.get("/status").json()["recent_failures"])
    assert api.get(f"/workers/{worker.name}").json()["state"] == "unhealthy"
    worker.exchange()
    assert api.get(f"/workers/{worker.name}").json()["state"] == "unhealthy"
    assert {api.get(f"/jobs/{job}").json()["cause"] for job in third} == {"infrastructure"}
    api.post(f"/workers/{worker.name}/remove", json={"force": True}).raise_for_status()
    for _ in range(300):
        if api.get(f"/workers/{worker.name}").json()["ended_at"]:
            break
        time.sleep(0.02)
    failures = api.get("/status").json()["recent_failures"]
    assert not any("3 attempts in a row" in text for text in failures), "the worker is removed"


def test_jobs_of_forgotten_classes_are_shown_from_the_store(
    api: httpx.Client, worker: PlayedWorker, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted(api, cpu="110m", pool="std")
    (given,) = worker.take()
    worker.end(job, given.attempt)
    monkeypatch.setattr(classes, "CLASSES_MAX", 1)
    server.running.core.state.ended_runs.clear()
    other = submitted(api, cpu="120m", pool="big")
    submitted(api, cpu="130m", pool="big")
    assert len(server.running.core.state.classes) <= 4
    assert all(each.request.cpu_milli != 110 for each in server.running.core.state.classes.values())
    assert api.get(f"/jobs/{job}").json()["cpu_milli"] == 110
    assert api.get(f"/jobs/{other}").json()["cpu_milli"] == 120
    user = api.get(f"/jobs/{job}").json()["user"]
    listed = api.get("/jobs", params={"user": user, "pool": "std", "limit": 1000}).json()["items"]
    assert job in [each["id"] for each in listed]
    assert not api.get("/jobs", params={"user": "nobody"}).json()["items"]
    assert "has already ended" in api.post(f"/jobs/{job}/cancel", json={}).json()["text"]
    assert submitted(api, cpu="110m", pool="big") > job


def test_all_jobs_that_have_not_ended_count_against_the_limit(
    api: httpx.Client, server: Server, refused: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = sum(
        api.get("/status").json()["jobs"][each] for each in ("pending", "blocked", "ready", "running")
    )
    object.__setattr__(server.running.core.settings, "jobs_queued_max", there + 3)
    try:
        big = {**NOOP, "cpu": 8, "pool": "big"}
        batch = api.post("/batches", json={"jobs": [{**big, "key": "a"}, {**big, "parents": ["a"]}]}).json()
        refused(429, "POST", "/batches", json={"jobs": [big] * 2})
        api.post(f"/batches/{batch['id']}/cancel", json={})
        assert api.post("/batches", json={"jobs": [big] * 2}).status_code == 200
    finally:
        object.__setattr__(server.running.core.settings, "jobs_queued_max", 20_000_000)


def test_a_user_has_jobs_in_a_bounded_number_of_projects(
    api: httpx.Client, refused: Refusal, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    known = server.running.core.state.projects["admin"]
    monkeypatch.setattr(class_refusals, "PROJECTS_MAX", len(known | {"one", "two"}))
    for name in ("one", "two", "one"):
        submitted(api, project=name, cpu=8, pool="big")
    told = refused(422, "POST", "/jobs", json={**NOOP, "project": "three"})
    assert told["field"] == "project"
    submitted(api, project="two", cpu=8, pool="big", priority=7)


@pytest.mark.parametrize("after_a_change", [False, True])
def test_a_failure_ends_the_server_when_something_was_changed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_a_change: bool
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    server = Server(tmp_path).start()
    server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    with monkeypatch.context() as patch:
        where, what = (submission, "commit_batch") if after_a_change else (accepting, "payload_of")
        patch.setattr(where, what, fails)
        answer = None
        try:
            answer = server.http.post("/batches", json={"jobs": [NOOP], "commit": True})
        except httpx.TransportError:
            assert after_a_change
        assert answer is None or answer.status_code == 500
    if not after_a_change:
        assert server.http.post("/batches", json={"jobs": [NOOP]}).json()["id"] == 1
        server.stop()
        return
    assert server._thread is not None
    server._thread.join(30)
    assert server.code not in (None, 0)
    server._thread, server.code = None, None
    server.start()
    assert server.http.get("/batches").json()["items"] == []  # nobody was told of it, and it is not there
    server.stop()


class Faulty:
    """Stands for what looks, in each round of a loop, whom to preempt."""

    def look(self, state: Any, *more: Any) -> None:
        state.next_event += 1
        raise ZeroDivisionError("a fault of ours")

    def clock_set(self) -> None:
        return


def test_a_faulty_step_of_a_loop_ends_the_server(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    server.running.core.preemptor = Faulty()  # type: ignore[assignment]
    assert server._thread is not None
    server._thread.join(30)
    assert not server._thread.is_alive()
    assert server.code not in (None, 0)
    server.http.close()
